// Package csv decodes records that are one line of comma-separated values (RFC 4180) with columns that are named and
// typed in the configuration: the message holds the values alone, and whoever reads it knows what they are.
//
// Fields may be quoted, with quotes doubled and line breaks inside; the delimiter and the quote can be
// changed. A message is one record, with or without a line break at its end. What isn't a record, or not of
// its column's type, is an error that names the column and the byte.
package csv
