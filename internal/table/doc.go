// Package table describes the columns of rows: their names, types and order.
//
// A [Schema] is made of what records were written with or of a file (package origin), of a table in a data catalog, or of plain JSON values
// that were looked at. It becomes the schema of Parquet files, of Avro object containers, the head of CSV files, and the columns of a table in
// AWS Glue. Two of them merge into one that holds the rows of both.
package table
