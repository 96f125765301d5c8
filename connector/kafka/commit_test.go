package kafka

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// member is a reader that owns t/0, with ten records read.
func member(t *testing.T) (*fake, *reader) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(10)...)
	r := read(t, f.config("t"))
	r.reads(t0, numbers(10)...)
	return f, r
}

func (f *fake) watchCommits() *kfake.FaultHandle {
	return f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1})
}

func at(n int64, meta string) []connector.Offset {
	return []connector.Offset{{Partition: t0, At: n, Meta: meta}}
}

func TestCommitOfNothingIsNotSent(t *testing.T) {
	f, r := member(t)
	if err := r.Commit(t.Context(), at(5, "a")); err != nil {
		t.Fatal(err)
	}
	seen := f.watchCommits()
	for _, o := range [][]connector.Offset{nil, at(5, "a"), at(4, "b")} {
		if err := r.Commit(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if n := seen.Hits(); n != 0 {
		t.Errorf("%d requests for offsets that are stored", n)
	}
	if err := r.Commit(t.Context(), at(5, "b")); err != nil || decodeNote(f.committed(t, "t", 0).Metadata).Meta != "b" {
		t.Errorf("another text at the same offset isn't stored: %v", err)
	}
}

// The broker applied the commit and says that it timed out: what became of it is read back before the next.
func TestCommitInDoubtThatWasApplied(t *testing.T) {
	f, r := member(t)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RequestTimedOut})
	err := r.Commit(t.Context(), at(7, "m"))
	has(t, err, "t/0", "offset 7", "group g", "REQUEST_TIMED_OUT")
	seen := f.watchCommits()
	if err := r.Commit(t.Context(), at(6, "older")); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context(), at(7, "m")); err != nil {
		t.Fatal(err)
	}
	if seen.Hits() != 0 || f.committed(t, "t", 0).At != 7 {
		t.Errorf("%d requests after a commit that was applied; committed %d", seen.Hits(), f.committed(t, "t", 0).At)
	}
	if err := r.Commit(t.Context(), at(8, "")); err != nil || f.committed(t, "t", 0).At != 8 {
		t.Errorf("then 8: %v, committed %d", err, f.committed(t, "t", 0).At)
	}
}

// The connection breaks at each try, and nothing was applied.
func TestCommitInDoubtThatWasLost(t *testing.T) {
	f, r := member(t)
	var healed atomic.Bool
	f.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		if healed.Load() {
			f.DropControl()
			return nil, nil, false
		}
		f.KeepControl()
		return nil, errors.New("broken"), true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := r.Commit(ctx, at(7, ""))
	healed.Store(true)
	has(t, err, "may have been applied")
	if connector.ClassOf(err) != connector.Retryable {
		t.Errorf("class %s: %v", connector.ClassOf(err), err)
	}
	// Nothing is sent while it isn't known.
	fault := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, Count: -1})
	seen := f.watchCommits()
	has(t, r.Commit(t.Context(), at(7, "")), "read back", "in doubt")
	if seen.Hits() != 0 {
		t.Error("a commit was sent before the one in doubt was read back")
	}
	fault.Remove()
	if err := r.Commit(t.Context(), at(7, "")); err != nil || f.committed(t, "t", 0).At != 7 {
		t.Errorf("again: %v, committed %d", err, f.committed(t, "t", 0).At)
	}
}

func TestCommitErrors(t *testing.T) {
	for _, c := range []struct {
		code  *kerr.Error
		class connector.Class
		text  string
	}{
		{kerr.GroupAuthorizationFailed, connector.Systemic, `group "g" is refused: allow this principal READ on the group`},
		{kerr.TopicAuthorizationFailed, connector.Systemic, "allow this principal READ and DESCRIBE on the topic"},
		{kerr.OffsetMetadataTooLarge, connector.Systemic, "offset.metadata.max.bytes"},
		{kerr.FencedInstanceID, connector.Fatal, "instance_id"},
		{kerr.UnknownServerError, connector.Retryable, "UNKNOWN_SERVER_ERROR"},
	} {
		t.Run(c.code.Message, func(t *testing.T) {
			f, r := member(t)
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: c.code})
			err := r.Commit(t.Context(), at(7, ""))
			has(t, err, "partition t/0", "commit offset 7 to group g", c.text)
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %s, want %s", connector.ClassOf(err), c.class)
			}
			if err := r.Commit(t.Context(), at(7, "")); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestCommitOfUnownedPartitions(t *testing.T) {
	f, r := member(t)
	err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 3}, {Partition: connector.Partition{Topic: "x", ID: 9}, At: 1}})
	has(t, err, "x/9", "isn't assigned")
	if connector.ClassOf(err) != connector.Lost || f.committed(t, "t", 0).At != 3 {
		t.Errorf("class %s, committed %d", connector.ClassOf(err), f.committed(t, "t", 0).At)
	}
}

// A commit that has begun ends before a revoke does.
func TestRevokeWaitsForTheCommit(t *testing.T) {
	f, r := member(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	f.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(began)
		f.SleepControl(func() { <-goOn })
		return nil, nil, false
	})
	committed := make(chan error)
	go func() { committed <- r.Commit(t.Context(), at(9, "")) }()
	<-began
	revoked := make(chan struct{})
	go func() {
		r.Consumer.revoked(t.Context(), r.client, map[string][]int32{"t": {0}})
		close(revoked)
	}()
	select {
	case <-revoked:
		t.Error("the partition was given away while a commit was in flight")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if err := <-committed; err != nil {
		t.Error(err)
	}
	<-revoked
	if err := r.Commit(t.Context(), at(10, "")); connector.ClassOf(err) != connector.Lost {
		t.Errorf("commit after the revoke: %v", err)
	}
}
