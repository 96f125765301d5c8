package chaintest

import (
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// A Harness says how the suite gets at one kind of Store, and what that kind can't do.
type Harness struct {
	// Open makes an empty place, such as a bucket or a folder, and removes it by t.Cleanup. It is called for each check.
	Open func(t testing.TB) Place
	// MinPart is the least length in bytes of a part that isn't the last one. 0: any.
	MinPart int64

	// Forgets: Complete of an upload that was completed may answer chain.ErrMissing, or chain.ErrExists if fresh. Look tells then.
	Forgets bool
	// Racy: two who create a key at the same time may both succeed, as in some doubles of services. Rivals come one after the other then.
	Racy bool
	// Vague: Complete of an upload that was aborted may answer an error in doubt in place of chain.ErrMissing, as moto does (500).
	Vague bool
}

// A Place is where Stores lie.
type Place struct {
	// Open makes a Store on the place, as each process has its own, and closes it by t.Cleanup. It is called
	// several times; the Stores are used at the same time.
	Open func(t testing.TB) chain.Store
	// Read returns what readers of the place see under a key, past the Stores. ok is false if nothing is there.
	Read func(key string) (body []byte, ok bool, err error)
}

// Run runs the suite, each check as a subtest.
func Run(t *testing.T, h Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// A check takes a testing.TB, so that the suite's own tests can watch it fail.
type check struct {
	name string
	run  func(testing.TB, Harness)
}

var checks = []check{
	{"list in the order of bytes", checkListOrder},
	{"list by pages", checkListPages},
	{"list by prefix", checkListPrefix},
	{"list more than a thousand", checkListMany},
	{"get", checkGet},
	{"put only creates", checkPut},
	{"racing puts", checkRacingPuts},
	{"replace", checkReplace},
	{"keys", checkKeys},
	{"ended context", checkContext},
	{"uploads are invisible", checkInvisible},
	{"parts in their order", checkParts},
	{"part written again", checkPartAgain},
	{"many uploads at once", checkManyUploads},
	{"seal", checkSeal},
	{"complete again", checkCompleteAgain},
	{"fresh complete of a taken key", checkTaken},
	{"racing completes of one upload", checkRacingFinishers},
	{"racing fresh completes", checkRacingRivals},
	{"look", checkLook},
	{"abort", checkAbort},
	{"abort after complete", checkAbortCompleted},
	{"complete after abort", checkCompleteAborted},
	{"write after abort", checkWriteAborted},
	{"another process", checkAnotherProcess},
	{"uploads by folder", checkUploads},
}
