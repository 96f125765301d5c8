// Package file is the sink that writes records to files below a folder: JSON lines, Parquet, Avro, CSV or raw text. A dead
// letter that writes files lies beside it.
//
// Guarantee: every record is in the files exactly once, whatever breaks, and in the partition's order inside each file; files
// appear complete, and are never changed, overwritten or removed.
//
// A [Sink] is a connector.Stager over a folder: internal/staging makes the files, internal/chain commits them. Rows go to
// temporary files in DIR/.millrace-tmp, which are synced; then a link, a small file in DIR/_millrace, names them and the range of
// offsets they hold; then they get their names by link(2), which fails where a name exists. Whoever finds a link whose files
// aren't there yet finishes them, so temporary files outlive the process that wrote them. The folder's side of this, the
// chain.Store, is here: everything that touches a file goes through an os.Root and the interface disk.
package file
