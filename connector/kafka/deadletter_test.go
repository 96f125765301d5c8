package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

func openDead(t *testing.T, f *fake) *DeadLetter {
	t.Helper()
	c := DefaultDeadLetterConfig()
	c.Topic = "dlq"
	c = c.WithSource(f.config("t"))
	c.Options = nil
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// all reads a topic's partition to its end.
func (f *fake) all(t *testing.T, topic string, n int) (out []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

func failure(offset int64, value []byte, err error) connector.Failure {
	return connector.Failure{
		Source: &connector.Source{Partition: connector.Partition{Topic: "t", ID: 3}, Connector: "cars"},
		Record: &connector.Record{RawKey: []byte("k"), RawValue: value, Offset: offset, Timestamp: 1700000000123},
		Stage:  connector.StageValue, Err: err, ID: fmt.Sprintf("00-3-%d-0", offset),
	}
}

func TestDeadLetterKeepsTheRecord(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "dlq"))
	syntax := json.Unmarshal([]byte("{x"), new(any))
	first := failure(42, []byte("{x"), connector.Permanent.Errorf("decode value:\r\n%w", syntax))
	first.Record.Headers = []connector.Header{{Name: "trace", Value: []byte("1")}, {Name: "trace", Value: nil}}
	second := failure(43, nil, errors.New("no value"))
	second.Record.RawKey = nil
	if err := openDead(t, f).Bury(t.Context(), []connector.Failure{first, second}); err != nil {
		t.Fatal(err)
	}
	rs := f.all(t, "dlq", 2)
	var got strings.Builder
	for _, h := range rs[0].Headers {
		fmt.Fprintf(&got, "%s=%s\n", h.Key, h.Value)
	}
	const want = `trace=1
trace=
__connect.errors.topic=t
__connect.errors.partition=3
__connect.errors.offset=42
__connect.errors.connector.name=cars
__connect.errors.task.id=0
__connect.errors.stage=VALUE_CONVERTER
__connect.errors.class.name=millrace
__connect.errors.exception.class.name=json.SyntaxError
__connect.errors.exception.message=decode value:\r\ninvalid character 'x' looking for beginning of object key string
__connect.errors.exception.stacktrace=
millrace.id=00-3-42-0
`
	if got.String() != want {
		t.Errorf("headers:\n%swant:\n%s", got.String(), want)
	}
	if r := rs[0]; string(r.Key) != "k" || string(r.Value) != "{x" || r.Timestamp.UnixMilli() != 1700000000123 || r.Headers[1].Value != nil {
		t.Errorf("record %+v", r)
	}
	if rs[1].Key != nil || rs[1].Value != nil {
		t.Errorf("null became %q %q", rs[1].Key, rs[1].Value)
	}
}

func TestDeadLetterBoundsTheMessage(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 9000), strings.Repeat("é", 5000), strings.Repeat("\n", 4000), "\xff\xfe"} {
		m := message(errors.New(text))
		if len(m) > mostMessage || strings.ContainsAny(m, "\r\n") || strings.ToValidUTF8(m, "") != m {
			t.Errorf("%d bytes: %q", len(m), m)
		}
	}
}

// The broker is the judge of a record's size, and its neighbours are kept.
func TestDeadLetterRefusesALargeRecord(t *testing.T) {
	f := newFake(t)
	limit := "100000"
	if _, err := f.admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"max.message.bytes": &limit}, "dlq"); err != nil {
		t.Fatal(err)
	}
	d := openDead(t, f)
	large := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large) // doesn't compress
	err := d.Bury(t.Context(), []connector.Failure{failure(2, large, errors.New("x"))})
	has(t, err, "max.message.bytes", `topic "dlq"`, "MESSAGE_TOO_LARGE")
	if connector.ClassOf(err) != connector.Permanent {
		t.Errorf("class %s", connector.ClassOf(err))
	}
	// Together they are too large for the topic, one by one they fit.
	var many []connector.Failure
	for i := range 8 {
		many = append(many, failure(int64(i), large[i:80_000], errors.New("x")))
	}
	if err := d.Bury(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if rs := f.all(t, "dlq", 8); len(rs) != 8 {
		t.Errorf("%d records", len(rs))
	}
}

func TestDeadLetterErrors(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "dlqs", "t"))
	c := DefaultDeadLetterConfig()
	has(t, c.Validate(), "topic:")
	c.Topic = "dlq"
	_, err := c.Open(t.Context())
	has(t, err, "brokers:")
	c.Brokers = f.ListenAddrs()
	_, err = c.Open(t.Context())
	has(t, err, `topic of the dead letter: topic "dlq" doesn't exist`, "there is dlqs")
	if connector.ClassOf(err) != connector.Systemic {
		t.Errorf("class %s", connector.ClassOf(err))
	}
	if _, err := f.admin.CreateTopic(t.Context(), 1, 1, nil, "dlq"); err != nil {
		t.Fatal(err)
	}
	d := openDead(t, f)
	for _, x := range []struct {
		code  *kerr.Error
		class connector.Class
		text  string
	}{
		{kerr.TopicAuthorizationFailed, connector.Systemic, "allow this principal WRITE"},
		{kerr.InvalidRecord, connector.Permanent, "compacted"},
		{kerr.UnknownServerError, connector.Retryable, "UNKNOWN_SERVER_ERROR"},
	} {
		f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: x.code})
		err := d.Bury(t.Context(), []connector.Failure{failure(1, []byte("v"), errors.New("x"))})
		has(t, err, `dead letter topic "dlq"`, x.text)
		if connector.ClassOf(err) != x.class {
			t.Errorf("%s: class %s, want %s", x.code.Message, connector.ClassOf(err), x.class)
		}
	}
	if err := d.Bury(t.Context(), []connector.Failure{failure(1, []byte("v"), errors.New("x"))}); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

func TestDeadLetterWaitsForTheAcknowledgement(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "dlq"))
	d := openDead(t, f)
	began, goOn := make(chan struct{}), make(chan struct{})
	f.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if acks := r.(*kmsg.ProduceRequest).Acks; acks != -1 {
			t.Errorf("acks %d", acks)
		}
		close(began)
		f.SleepControl(func() { <-goOn })
		return nil, nil, false
	})
	done := make(chan error, 1)
	go func() { done <- d.Bury(t.Context(), []connector.Failure{failure(1, []byte("v"), errors.New("x"))}) }()
	select {
	case <-began:
	case err := <-done:
		t.Fatalf("returned before it produced: %v", err)
	}
	select {
	case err := <-done:
		t.Fatalf("returned before the broker answered: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	// Another caller waits for its turn, no longer than its context.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := d.Bury(ctx, []connector.Failure{failure(2, nil, errors.New("x"))}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if ends, err := f.admin.ListEndOffsets(t.Context(), "dlq"); err != nil || end(ends) != 1 {
		t.Errorf("%v %v", ends, err)
	}
}

func end(o kadm.ListedOffsets) int64 {
	l, _ := o.Lookup("dlq", 0)
	return l.Offset
}
