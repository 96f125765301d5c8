package staging_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/staging"
	"github.com/millrace/millrace/serde"
)

// slowPuts counts those who put links at the same time.
type slowPuts struct {
	*chaintest.Memory
	now, most atomic.Int64
}

func (s *slowPuts) Put(ctx context.Context, key string, body []byte) error {
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	time.Sleep(time.Second)
	return s.Memory.Put(ctx, key, body)
}

// 100 partitions are due at once: sixteen of them commit at a time.
func TestCommitsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions = 100
		store := &slowPuts{Memory: chaintest.NewMemory(chaintest.Options{})}
		path, err := staging.CompilePath("data/", staging.DefaultNaming())
		if err != nil {
			t.Fatal(err)
		}
		codec, err := lines.NewCodec(lines.None, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := staging.New(staging.Options{
			Store: store, Place: "memory", Chain: "main", Path: path,
			Format: staging.EncodeLines(lines.JSON, codec), MaxOpen: 10, Rotation: connector.Rotation{Size: 1 << 20},
		})
		var staged [partitions]connector.Staged
		for i := range staged {
			p := partition(i)
			at, err := s.Recover(t.Context(), connector.Assignment{Partition: p, ClusterID: "c", TopicID: [16]byte{1}, Group: "g", Connector: "c", Committed: -1})
			if err != nil {
				t.Fatal(err)
			}
			if staged[i], err = s.Stage(t.Context(), p, at, func(ctx context.Context, _ string, try func(context.Context) error) error { return try(ctx) }); err != nil {
				t.Fatal(err)
			}
			b := connectortest.Batch(t, p.Topic, p.ID, connectortest.R{Value: fmt.Sprint(i)})
			b.Decode(t.Context(), serde.StringDecoder{}, serde.StringDecoder{})
			if _, err := staged[i].Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		store.most.Store(0)
		done := make(chan error, partitions)
		for _, g := range staged {
			go func() {
				_, err := g.Commit(t.Context(), connector.Range{Next: 1, Last: 0, Read: 1, Written: 1, Reason: connector.RotateAge})
				done <- err
			}()
		}
		for range partitions {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if most := store.most.Load(); most > 16 || most < 2 {
			t.Errorf("%d partitions put their links at the same time, want 16", most)
		}
		if n := len(store.Objects()); n < 3*partitions { // a root, a link and a file each
			t.Errorf("%d objects", n)
		}
	})
}

var _ chain.Store = (*slowPuts)(nil)
