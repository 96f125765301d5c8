package chaintest

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memoryHarness(o Options) Harness {
	return Harness{MinPart: o.MinPart, Forgets: o.Forget, Open: func(testing.TB) Place {
		m := NewMemory(o)
		return Place{Open: func(testing.TB) chain.Store { return m.View(nil) }, Read: reader(m)}
	}}
}

func TestMemory(t *testing.T) { Run(t, memoryHarness(Options{MinPart: 5})) }

func TestForgetfulMemory(t *testing.T) { Run(t, memoryHarness(Options{Forget: true})) }

// A harness's flags let its Stores off what they are for, and nothing else.
func TestFlagsOfHarness(t *testing.T) {
	for broken, flag := range map[string]func(*Harness){
		"looks before it puts":             func(h *Harness) { h.Racy = true },
		"looks before it completes":        func(h *Harness) { h.Racy = true },
		"forgets what was completed":       func(h *Harness) { h.Forgets = true },
		"takes its own object for another": func(h *Harness) { h.Forgets = true },
		"leaves in doubt what is missing":  func(h *Harness) { h.Vague = true },
	} {
		h := doubleHarness(broken)
		flag(&h)
		t.Run(broken, func(t *testing.T) { Run(t, h) })
	}
	for _, broken := range []string{"completes what is missing", "aborts nothing"} {
		h := doubleHarness(broken)
		h.Racy, h.Forgets, h.Vague = true, true, true
		if len(complaintsOf(t, func(w testing.TB) { checkCompleteAborted(w, h) })) == 0 {
			t.Errorf("with all flags, nobody complains of a Store that %s", broken)
		}
	}
	h := doubleHarness("loses what is completed again")
	h.Racy, h.Forgets, h.Vague = true, true, true
	if len(complaintsOf(t, func(w testing.TB) { checkCompleteAgain(w, h) })) == 0 {
		t.Error("with all flags, nobody complains of a Store that loses what is completed again")
	}
}

// A Store need not be a chain.Cleaner or a chain.Replacer.
func TestStoreWithoutUploadsPasses(t *testing.T) {
	h := memoryHarness(Options{})
	open := h.Open
	h.Open = func(t testing.TB) Place {
		p := open(t)
		store := p.Open
		p.Open = func(t testing.TB) chain.Store { return struct{ chain.Store }{store(t)} }
		return p
	}
	Run(t, h)
}

func TestDoubleThatIsNotBrokenPasses(t *testing.T) { Run(t, doubleHarness("")) }

// Each row is a double that is broken in one way, and the check that is there for it.
var broken = []struct{ broken, caughtBy string }{
	{"lists by folder", "list in the order of bytes"},
	{"lists the key after which to begin", "list by pages"},
	{"never says that others follow", "list by pages"},
	{"says that others follow a full page", "list by pages"},
	{"lists one too many", "list by pages"},
	{"lists folders only", "list by prefix"},
	{"lists what comes after a prefix that is a folder", "list by prefix"},
	{"lists a thousand", "list more than a thousand"},
	{"finds nothing without an error", "get"},
	{"doesn't name the key", "get"},
	{"hands out its own bytes", "get"},
	{"keeps the bytes of a Put", "get"},
	{"overwrites", "put only creates"},
	{"says nothing of a taken key", "put only creates"},
	{"takes the same bytes again", "put only creates"},
	{"looks before it puts", "racing puts"},
	{"shows half a Put", "racing puts"},
	{"overwrites and puts back", "racing puts"},
	{"nobody wins", "racing puts"},
	{"replaces whatever is there", "replace"},
	{"replaces what is missing", "replace"},
	{"replaces what is as long", "replace"},
	{"replaces nothing", "replace"},
	{"unescapes keys", "keys"},
	{"cleans keys", "keys"},
	{"lists until an ended context", "ended context"},
	{"puts after its context ended", "ended context"},
	{"takes an ended context for a taken key", "ended context"},
	{"completes after its context ended", "ended context"},
	{"aborts after its context ended", "ended context"},
	{"lists uploads", "uploads are invisible"},
	{"shows what begins", "uploads are invisible"},
	{"says ours of an open upload", "uploads are invisible"},
	{"joins parts as they came", "parts in their order"},
	{"keeps the bytes of a part", "parts in their order"},
	{"drops the pieces but the first", "parts in their order"},
	{"numbers parts from 0", "parts in their order"},
	{"appends what is written again", "part written again"},
	{"mixes up uploads", "many uploads at once"},
	{"can't seal twice", "seal"},
	{"shows what is sealed", "seal"},
	{"forgets what was completed", "complete again"},
	{"takes its own object for another", "complete again"},
	{"loses what is completed again", "complete again"},
	{"says ours of its own uploads only", "complete again"},
	{"ignores fresh", "fresh complete of a taken key"},
	{"answers the first of several finishers", "racing completes of one upload"},
	{"shows half an object", "racing completes of one upload"},
	{"looks before it completes", "racing fresh completes"},
	{"says ours of all", "look"},
	{"says ours of what is as long", "look"},
	{"can't abort twice", "abort"},
	{"aborts all uploads of a key", "abort"},
	{"aborts what is completed", "abort after complete"},
	{"aborts nothing", "complete after abort"},
	{"completes what is missing", "complete after abort"},
	{"leaves in doubt what is missing", "complete after abort"},
	{"brings back what was aborted", "write after abort"},
	{"knows its own uploads only", "another process"},
	{"needs the folder to complete", "another process"},
	{"finds the uploads of all folders", "uploads by folder"},
	{"finds the uploads of folders that begin alike", "uploads by folder"},
	{"finds uploads without numbers", "uploads by folder"},
	{"finds uploads without keys", "uploads by folder"},
	{"finds uploads that were completed", "uploads by folder"},
}

func TestBrokenStores(t *testing.T) {
	for _, tc := range broken {
		t.Run(tc.caughtBy+"/"+tc.broken, func(t *testing.T) {
			i := slices.IndexFunc(checks, func(c check) bool { return c.name == tc.caughtBy })
			if i < 0 {
				t.Fatalf("there is no check %q", tc.caughtBy)
			}
			complaints := complaintsOf(t, func(w testing.TB) { checks[i].run(w, doubleHarness(tc.broken)) })
			if len(complaints) == 0 {
				t.Fatalf("check %q has nothing to complain of", tc.caughtBy)
			}
			t.Logf("%d complaints, the first: %s", len(complaints), complaints[0])
		})
	}
}

func TestEachCheckHasABrokenStore(t *testing.T) {
	for _, c := range checks {
		if !slices.ContainsFunc(broken, func(row struct{ broken, caughtBy string }) bool { return row.caughtBy == c.name }) {
			t.Errorf("no broken double shows that the check %q can fail", c.name)
		}
	}
}
