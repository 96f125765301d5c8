package connector_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// A record whose wait is over, behind one of its key whose wait isn't, waits: the lane must not look after it again and again. Where calls have room for
// few records, two of a key that failed together are tried again apart.
func TestALaneWaitsForTheFirstOfAKey(t *testing.T) {
	for most := 2; most < 8; most++ {
		t.Run(fmt.Sprint(most, " records a call"), func(t *testing.T) { testFirstOfAKey(t, most) })
	}
}

func testFirstOfAKey(t *testing.T, most int) {
	bubble(t, func(t *testing.T) {
		const records = 4000
		s := newSink()
		s.limits = connector.Limits{Records: most, InFlight: 1}
		s.fail = func(r *connector.Record, attempt int) error {
			time.Sleep(20 * time.Millisecond) // so that several waits are over at the end of a call
			if attempt < 4 && r.Offset%5 != 0 {
				return errors.New("throttled")
			}
			return nil
		}
		log := connectortest.NewLog()
		for n := range records {
			log.Append(p0, R{Key: fmt.Sprintf("k%d", n/2), Value: fmt.Sprint(n)})
		}
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, records) // it would never be: virtual time stands still while a goroutine runs
	})
}
