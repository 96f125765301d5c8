package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/connector"
)

// TestEndsOfWhatIsntRead: the ends that are told are those of the log, whether a transaction is open in it or its partition is paused.
func TestEndsOfWhatIsntRead(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, "a", "b")
	r := read(t, f.config("t"))
	k := connector.Partition{Topic: "t"}
	r.reads(k, "a", "b")
	ends := func(want int64) {
		t.Helper()
		r.lookEnds(t.Context())
		if got := r.Report().Ends; len(got) != 1 || got[k] != want {
			t.Errorf("the ends are %v, want %d", got, want)
		}
	}
	ends(2)
	end := f.begin(t, "x", "y")
	ends(4)
	end(true)
	r.reads(k, "a", "b", "x", "y")
	ends(5) // its marker counts
	r.until("the marker to be passed", func() bool { r.lookEnds(t.Context()); return r.next[k] == 5 })
	r.Pause(k)
	f.produce(t, "t", 0, "c")
	ends(6)
}
