// Package column has what decoders of delimited text share: named columns with
// types, and the reading of a column's text as a value of its type.
//
// A [Set] is a compiled list of columns. A [Row] writes one record with it: Text reads
// a column's text, Null leaves it empty, End gives the value, an object with a member per column.
package column
