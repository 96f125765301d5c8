// Package file is the sink that writes records to files below a folder, one line each. A dead
// letter that writes files lies beside it.
//
// Guarantee: every record is in the files at least once, in the partition's order inside each file. A
// file appears under its name complete and on disk, and is never changed or overwritten.
//
// A [Sink] is a connector.Stager. Rows go to temporary files in DIR/.millrace-tmp; a commit
// syncs them, links them to their names (link(2) fails where a name exists), syncs the folders, and only then
// lets the offset move. Each open Sink has a folder of its own there and holds a lock on it, so
// that what a crashed process left can be told from what another one is writing.
package file
