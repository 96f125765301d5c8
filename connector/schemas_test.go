package connector_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

// looksUp is a decoder whose registry doesn't answer at first, or doesn't let it in.
type looksUp struct {
	mu   sync.Mutex
	errs []error // of the next calls
	used []serde.SchemaUse
}

func (d *looksUp) Decode(_ context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.errs) > 0 {
		err := d.errs[0]
		d.errs = d.errs[1:]
		return serde.Value{}, err
	}
	if len(d.used) == 0 {
		d.used = append(d.used, serde.SchemaUse{Topic: topic, Schema: &serde.Schema{Format: serde.Avro, Name: "gps", Version: 3, ID: "b7b4"}})
	}
	return t.BorrowString(data), nil
}

func (d *looksUp) Schemas() []serde.SchemaUse {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// A registry that is down holds records back and buries none, whatever it says; what it found is logged once, and in the status.
func TestDecoderLooksUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		out := &lockedBuffer{}
		down := &serde.Unavailable{Err: errors.New("the registry doesn't answer")}
		d := &looksUp{errs: []error{down, down, &serde.Unavailable{Err: connector.Systemic.Errorf("access denied: add the right glue:GetSchemaVersion")}, down}}
		log, dead, sink := connectortest.NewLog(), &connectortest.DeadLetter{}, newSink()
		log.Append(p0, R{Value: "a"}, R{Value: "b"})
		r := start(t, log, loading(sink), connector.WithDeadLetter(dead), connector.WithDecoder(d),
			connector.WithLogger(slog.New(slog.NewTextHandler(out, nil))))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 2)
		time.Sleep(3 * time.Second) // virtual
		want := []connector.SchemaStatus{{Of: "value", Topic: p0.Topic, Format: "AVRO", Name: "gps", Version: 3, ID: "b7b4"}}
		if got := r.c.Status().Schemas; !reflect.DeepEqual(got, want) {
			t.Errorf("schemas in the status: %+v", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(out.String(), "a schema version is in use"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, out)
		}
		if len(dead.Buried()) != 0 {
			t.Errorf("buried: %v", dead.Buried())
		}
	})
}
