package sinktest

import (
	"testing"

	"github.com/millrace/millrace/connector"
)

// A StagerHarness says how the suite gets at one kind of Stager and at what it wrote. Where the sink has
// paths, choose one that depends on the record's key, so that a range has many files.
type StagerHarness struct {
	// Open makes a Stager on an empty destination of its own, and closes both by t.Cleanup. It is called for each check.
	Open func(t testing.TB) Store
	// ExactlyOnce: a range that was committed isn't written again, whoever tries.
	ExactlyOnce bool
	// Record makes the record that the sink is to write for a key and a sequence number; nil is the package's Record.
	Record func(key string, seq int) Raw
	// Bad holds records that the sink must mark failed with an error of class Permanent, by what is wrong with them.
	Bad map[string]Raw
}

// A Store is a Stager with a view of what it wrote. Reopen, Read and Stager are needed.
type Store struct {
	Stager connector.Stager
	// Reopen makes another Stager on the same destination, as another process does after a crash of the first.
	Reopen func(t testing.TB) connector.Stager
	// Read returns every file that a reader of the destination sees.
	Read func() ([]File, error)
	// Fail makes the next write to the destination fail, and apply nothing, in a way that the sink must give
	// class c: Retryable or Systemic. It reports whether the destination can.
	Fail func(c connector.Class) bool
}

// A File is one file or object with its records, in their order.
type File struct {
	Name    string
	Records []Delivery
}

// RunStager runs the suite, each check as a subtest.
func RunStager(t *testing.T, h StagerHarness) {
	for _, c := range stagerChecks {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
	for name, bad := range h.Bad {
		t.Run("bad record/"+name, func(t *testing.T) { checkStageBadRecord(t, h, bad) })
	}
}

// A stagerCheck takes a testing.TB, so that the suite's own tests can watch it fail.
type stagerCheck struct {
	name string
	run  func(testing.TB, StagerHarness)
}

var stagerChecks = []stagerCheck{
	{"visible after commit only", checkVisibility},
	{"ranges follow each other", checkRanges},
	{"range without records", checkEmptyRange},
	{"filtered and failed records", checkStageMarked},
	{"abort", checkAbort},
	{"commit again after a failure", checkCommitAgain},
	{"commit again after its context ended", checkCommitContext},
	{"failure while adding", checkAddFailure},
	{"size", checkSize},
	{"many paths", checkManyPaths},
	{"concurrent partitions", checkStagePartitions},
	{"crash before the commit", checkCrashBefore},
	{"crash after the commit", checkCrashAfter},
	{"two writers of one range", checkTwoWriters},
	{"rotation", checkRotation},
}
