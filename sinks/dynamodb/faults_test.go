package dynamodb

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// faulty makes three of ten requests fail in some way: refused, done with a lost answer, or done in part. Items with a member poison are never taken.
func faulty(d *double, seed uint64) {
	random := rand.New(rand.NewPCG(seed, seed))
	codes := []string{"ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "TransactionConflictException"}
	d.refuse = func(c call) (int, string) {
		if strings.Contains(fmt.Sprint(c.body), "poison") {
			return http.StatusBadRequest, fault(codeValidation, "One or more parameter values were invalid: Type mismatch for Index Key poison")
		}
		switch random.IntN(10) {
		case 0, 1:
			return http.StatusBadRequest, fault(codes[random.IntN(len(codes))], "no")
		case 2:
			d.lose = true
		}
		return 0, ""
	}
	d.skip = func(string) bool { return random.IntN(10) < 3 }
}

// A listening consumer tells when a connector listens to it.
type listening struct {
	*connectortest.Consumer
	ready chan struct{}
}

func (l *listening) Notify(to connector.Listener) {
	l.Consumer.Notify(to)
	close(l.ready)
}

// run runs a connector over a log until all of it is committed.
func run(t *testing.T, log *connectortest.Log, l connector.Loader, records map[connector.Partition]int64) *connectortest.DeadLetter {
	t.Helper()
	consumer := &listening{connectortest.NewConsumer(log), make(chan struct{})}
	done := make(chan struct{})
	var mu sync.Mutex
	left := maps.Clone(records)
	consumer.CommitError = func(offs []connector.Offset) error {
		mu.Lock()
		defer mu.Unlock()
		for _, o := range offs {
			if len(left) > 0 && o.At == left[o.Partition] {
				if delete(left, o.Partition); len(left) == 0 {
					close(done)
				}
			}
		}
		return nil
	}
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var letters connectortest.DeadLetter
	c, err := connector.New(consumer, l, connector.WithKeyDecoder(serde.StringDecoder{}), connector.WithDecoder(values), connector.WithDeadLetter(&letters),
		connector.WithLogger(slog.New(slog.DiscardHandler)), connector.WithCommitInterval(time.Millisecond), connector.WithRetry(time.Millisecond, 2*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-consumer.ready
	for p := range records {
		consumer.Assign(p)
	}
	<-done
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return &letters
}

// TestFaults: whatever fails, the table ends as the records say, and what was refused for ever is in the dead letter, once.
func TestFaults(t *testing.T) {
	const partitions, perPartition, keys = 3, 600, 40
	for name, change := range map[string]func(*Config){"fast": deleting, "newest": func(c *Config) { newest(c); deleting(c) }, "update": updating, "sum": summing} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			faulty(d, 7)
			s := open(t, config(d.URL, change))
			random := rand.New(rand.NewPCG(8, 8))
			log, ends, want, poisoned, sums := connectortest.NewLog(), map[connector.Partition]int64{}, plain{}, 0, map[string]int{}
			for p := range int32(partitions) {
				at := connector.Partition{Topic: "trips", ID: p}
				ends[at] = perPartition
				for n := range perPartition {
					key := fmt.Sprint(p, "/", random.IntN(keys)*random.IntN(2)) // half of them are one key's
					r := connectortest.R{Key: key, Value: fmt.Sprintf(`{"n":%d,"m":%d}`, n, n), Timestamp: int64(n)}
					switch {
					case random.IntN(50) == 0: // a batch that is refused as a whole is the connector's to take apart
						r.Value = `{"n":"poison","m":1}`
						poisoned++
					case random.IntN(10) == 0 && (name == "fast" || name == "newest"):
						r.NullValue = true
						delete(want, key)
					case name == "sum":
						sums[key] += n
						want[key] = map[string]string{"sum": fmt.Sprint(sums[key])}
					default:
						want[key] = map[string]string{"n": fmt.Sprint(n), "m": fmt.Sprint(n)}
					}
					log.Append(at, r)
				}
			}
			letters := run(t, log, s, ends)
			if diff := cmp.Diff(want, d.plain(DefaultConfig().Guard)); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			// What a later record of its batch replaced isn't sent, and so not refused.
			if n := len(letters.Buried()); n > poisoned || n == 0 && poisoned > 0 || name == "sum" && n != poisoned {
				t.Errorf("%d records are in the dead letter, of %d", n, poisoned)
			}
		})
	}
}
