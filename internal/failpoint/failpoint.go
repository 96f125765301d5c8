// Package failpoint names the lines of the commit path at which a process can be killed, so that tests prove what the next one finds.
//
// A point is a call of [Here] with a name of [Names]. In ordinary builds Here is empty: the compiler leaves nothing of it, and nothing of this
// package is in the image. With the build tag failpoints, the environment says where the process dies:
//
//	MILLRACE_FAILPOINT=link.put:3       kill -9 at the third call of Here("link.put")
//	MILLRACE_FAILPOINT_LOG=FILE         append the name of each point that is reached, a line for each call
//
// testbed/torture kills processes at each point, and counts what is in the sinks afterwards.
package failpoint

// Names are all points, in the order in which a range of records gets past them. A name is placed at exactly one line.
//
// Package state: a table, which nobody writes.
var Names = []string{
	// A partition is assigned: internal/staging, internal/chain.
	"recover.claimed", // the chain belongs to this connector
	"root.put",        // the chain has begun
	"finish.before",   // the newest link is read, and its objects may be invisible
	"finish.after",    // they are visible
	"stage.before",    // connector: before a range is begun
	"stage.after",

	// Records are written: internal/staging.
	"add.before", // connector: before a batch goes into the range
	"upload.begun",
	"part.sent",
	"add.after",
	"bury.before", // connector: before failures go to the dead letter
	"kafka.bury.before",
	"kafka.bury.after",
	"bury.after",

	// A range is committed.
	"range.before", // connector: before Staged.Commit
	"file.sealed",
	"disk.synced", // sinks/file: the temporary file is on disk
	"link.before", // before the link is put
	"link.put",
	"complete.before",
	"disk.linked", // sinks/file: the file has its name
	"disk.named",  // and that is on disk
	"complete.after",
	"range.after",
	"ledger.before", // connector: before the watermark moves
	"offsets.before",
	"kafka.commit.before",
	"kafka.commit.after",
	"offsets.after",

	// What is rare.
	"gap.before", // before a link passes over offsets that are gone
	"gap.after",
	"seal.before",
	"seal.after",
	"mend.before", // before objects whose uploads were gone are completed again
	"mend.after",

	// A Loader: connector.
	"load.before",
	"load.after",
	"load.acked",
}
