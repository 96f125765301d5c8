// Package parquet writes Parquet files straight from values, and reads them back.
//
// The encodings, the Thrift structures and the bloom filters are parquet-go's. The way from a value to a page is our own: one
// walk over a value fills the columns' buffers, a full buffer becomes a page, a row group's pages wait compressed until it is closed. So an open
// file costs about what its compressed row group has, and thousands can be open.
package parquet
