// Package catalog keeps tables of the AWS Glue Data Catalog in step with the files that are written.
//
// A [Catalog] makes a table where there is none, adds the columns that are new, widens the types of others, and registers partitions as they
// appear. What others add to a table or its properties stays: an update counts only for the version of the table that was read before it, and
// is made anew from the newer one where somebody else was faster. No column is ever removed or narrowed.
//
// A partition's values come from the names of folders, as Hive writes them: dt=2026-11-20/hour=13. See [PlaceOf] and [KeysOf].
package catalog
