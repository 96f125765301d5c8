package resend_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/resend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(topic string, partition int32, offset int64, headers ...letter.Header) *letter.Letter {
	key := fmt.Sprintf("k%d", offset)
	return &letter.Letter{Topic: topic, Partition: partition, Offset: offset, Timestamp: 1000 + offset, Key: &key, Error: "no", Stage: "TASK_PUT", Headers: headers}
}

func replays(n string) letter.Header { return letter.Header{Name: letter.HeaderReplays, Value: &n} }

func newSpool(t *testing.T) *resend.Spool {
	t.Helper()
	s, err := resend.NewSpool()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t *testing.T, s *resend.Spool, id byte, ls ...*letter.Letter) {
	t.Helper()
	for _, l := range ls {
		if err := s.Add(l, [16]byte{id}); err != nil {
			t.Fatal(err)
		}
	}
}

// Of each record one letter stays, in offset order, byte for byte; counts say what became of the others.
func TestSpool(t *testing.T) {
	s := newSpool(t)
	x, none := "x", (*string)(nil)
	odd := at("cars", 0, 5, letter.Header{Name: "h", Value: &x}, letter.Header{Name: "n", Value: none}, letter.Header{Name: "\ufffd", NameBase64: []byte{0xff}, ValueBase64: []byte{0xfe}}, replays("1"))
	odd.Key, odd.ValueBase64, odd.Timestamp = nil, []byte{0, 0xff}, -1
	empty := ""
	tomb := at("cars", 0, 2)
	tomb.Key = &empty
	add(t, s, 1, odd, at("cars", 1, 9), tomb, odd, at("cars", 0, 7, replays("3")), at("cars", 1, 8), at("cars", 1, 7, replays("2")))
	s.Note(at("cars", 1, 7, replays("4")), [16]byte{1})
	s.Note(at("cars", 1, 100, replays("1")), [16]byte{1})
	s.Note(at("cars", 1, 9), [16]byte{1})
	sel, err := s.Seal(3, 3)
	want := resend.Selection{Records: 3, Repeated: 1, Refused: 2, Over: 1}
	want.Groups = sel.Groups
	if diff := cmp.Diff(want, sel); err != nil || diff != "" || len(sel.Groups) != 1 || sel.Groups[0].Count != 3 {
		t.Error(err, diff)
	}
	var got []string
	for _, run := range s.Runs() {
		for _, p := range run {
			err := s.Each(p, func(r *connector.Record, n int) error {
				got = append(got, fmt.Sprintf("%s %d at %d: %q=%q nil %v %v %q %d", p.Partition, r.Offset, r.Timestamp, r.RawKey, r.RawValue, r.RawKey == nil, r.RawValue == nil, r.Headers, n))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{
		`cars/0 2 at 1002: ""="" nil false true [] 0`,
		`cars/0 5 at -1: ""="\x00\xff" nil true false [{"h" "x"} {"n" ""} {"\xff" "\xfe"}] 1`,
		`cars/1 8 at 1008: "k8"="" nil false true [] 0`,
	}, got); diff != "" {
		t.Error(diff)
	}
}

// Topics that were created again are read one after the other, the older first.
func TestRuns(t *testing.T) {
	s := newSpool(t)
	old := at("cars", 0, 900)
	old.Timestamp = 1
	add(t, s, 1, at("cars", 0, 1), at("cars", 1, 1), at("vans", 0, 1))
	add(t, s, 2, old, at("cars", 2, 1))
	if _, err := s.Seal(1, 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, run := range s.Runs() {
		for _, p := range run {
			got = append(got, fmt.Sprintf("%d: %s of %d", i, p.Partition, p.TopicID[0]))
		}
	}
	if want := []string{"0: cars/0 of 2", "0: cars/2 of 2", "0: vans/0 of 1", "1: cars/0 of 1", "1: cars/1 of 1"}; !slices.Equal(got, want) {
		t.Error(got)
	}
}

// A sink keeps rows, fails what it is told to, and may have to be asked twice.
type sink struct {
	mu     sync.Mutex
	rows   map[connector.Partition][]int64
	faults int
}

func (s *sink) Load(_ context.Context, b *connector.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults > 0 {
		s.faults--
		return errors.New("try again")
	}
	for i, r := range b.Records() {
		if r.Offset%10 == 3 {
			b.Fail(i, connector.Permanent.Errorf("offset %d", r.Offset))
			continue
		}
		s.rows[b.Source().Partition] = append(s.rows[b.Source().Partition], r.Offset)
	}
	return nil
}

// A grave keeps what a Guard passes on.
type grave struct {
	mu    sync.Mutex
	fault bool
	kept  []string
}

func (g *grave) Bury(_ context.Context, fs []connector.Failure) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fault {
		g.fault = false
		return errors.New("try again")
	}
	for i := range fs {
		g.kept = append(g.kept, fmt.Sprintf("%s %q", fs[i].ID, fs[i].Record.Headers))
	}
	return nil
}

// A Connector gets everything, waits are waited, and what fails again is marked once, however often it has to be tried.
func TestConnector(t *testing.T) {
	s := newSpool(t)
	want := map[connector.Partition][]int64{}
	for partition := range int32(3) {
		for offset := int64(4999); offset >= 0; offset-- {
			if offset%7 == int64(partition) {
				continue
			}
			l := at("cars", partition, offset)
			if offset == 13 {
				l = at("cars", partition, offset, replays("1"))
			}
			if offset%10 == 3 && offset > 13 {
				continue
			}
			add(t, s, 9, l)
			if offset%10 != 3 {
				p := connector.Partition{Topic: "cars", ID: partition}
				want[p] = append(want[p], offset)
			}
		}
	}
	for _, offsets := range want {
		slices.Sort(offsets)
	}
	if _, err := s.Seal(3, 0); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		to, dead := &sink{rows: map[connector.Partition][]int64{}, faults: 5}, &grave{fault: true}
		consumer := resend.NewConsumer(s, s.Runs()[0], resend.Origin{})
		guard := resend.NewGuard(s, dead)
		conn, err := connector.New(consumer, to, connector.WithDeadLetter(guard), connector.WithLogger(slog.New(slog.DiscardHandler)), connector.WithDrainTimeout(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- conn.Run(ctx) }()
		<-consumer.Done()
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, to.rows); diff != "" {
			t.Error(diff)
		}
		failed, why := guard.Failed()
		n := int64(0)
		for _, g := range why {
			n += g.Count
		}
		good := 0
		for _, offsets := range want {
			good += len(offsets)
		}
		if p := consumer.Progress(); failed != 6 || n != 6 || p.Open != 0 || p.Before != 0 || p.Durable != int64(good)+6 {
			t.Errorf("%d failed (%d letters), %+v", failed, n, p)
		}
		slices.Sort(dead.kept)
		const id = "09000000000000000000000000000000"
		marked := func(n string) string {
			return fmt.Sprintf("%q", []connector.Header{{Name: letter.HeaderReplays, Value: []byte(n)}})
		}
		var letters []string
		for partition := range 3 {
			letters = append(letters, fmt.Sprintf("%s-%d-13-0 %s", id, partition, marked("2")), fmt.Sprintf("%s-%d-3-0 %s", id, partition, marked("1")))
		}
		if diff := cmp.Diff(letters, dead.kept); diff != "" {
			t.Error(diff)
		}
	})
}

// A partition that can't go on doesn't keep the others waiting.
func TestGiveUp(t *testing.T) {
	s := newSpool(t)
	add(t, s, 9, at("cars", 0, 1), at("cars", 1, 1))
	if _, err := s.Seal(3, 0); err != nil {
		t.Fatal(err)
	}
	c := resend.NewConsumer(s, s.Runs()[0], resend.Origin{})
	c.Notify(connector.Listener{Assigned: func(as []connector.Assignment) {
		for _, a := range as {
			c.Seek(a.Partition, a.Start)
			c.Resume(a.Partition)
		}
	}})
	batches, err := c.Poll(t.Context())
	if err != nil || len(batches) != 1 {
		t.Fatal(batches, err)
	}
	other := connector.Partition{Topic: "cars", ID: 1 - batches[0].Source().ID}
	c.GiveUp(other)
	select {
	case <-c.Done():
		t.Error("done while a batch is held")
	default:
	}
	c.GiveUp(batches[0].Source().Partition)
	c.GiveUp(other)
	if p := c.Progress(); p.Open != 2 || p.Sent != 1 {
		t.Errorf("%+v", p)
	}
}
