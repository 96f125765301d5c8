package chain_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// A shelf is a Memory whose objects can be described and read.
type shelf struct {
	*chaintest.Memory
	tails map[string]string // that Stat tells, by key; nil: none
}

func (s shelf) Stat(ctx context.Context, key string) (chain.Stat, error) {
	body, err := s.Get(ctx, key)
	return chain.Stat{Size: int64(len(body)), CRC: checksum(body), Tail: s.tails[key]}, err
}

func (s shelf) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := s.Get(ctx, key)
	return io.NopCloser(bytes.NewReader(body)), err
}

func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

var topicID = [16]byte{0x1f, 0x0a, 0x93, 0xc2, 15: 7}

// A mill makes chains as the product does: through the machines.
type mill struct {
	t     testing.TB
	store *chaintest.Memory
	owner chain.Owner
	links map[int32][]*chain.Link
	tails uint32
}

func newMill(t testing.TB) *mill {
	return &mill{t: t, store: chaintest.NewMemory(chaintest.Options{}), owner: chain.Owner{Connector: "cars", Group: "cars", Cluster: "lkc-1"}, links: map[int32][]*chain.Link{}}
}

func (m *mill) id(p int32) chain.ID {
	return chain.ID{Prefix: "lake", Chain: "main", Cluster: m.owner.Cluster, Topic: "cars", TopicID: topicID, Partition: p}
}

func (m *mill) root(p int32, at int64) {
	m.t.Helper()
	if _, err := chain.Claim(m.t.Context(), m.store, "memory", "lake", "main", m.owner); err != nil {
		m.t.Fatal(err)
	}
	r := chain.NewRecovery(m.id(p), chain.Start{At: at, Attempt: chain.NewAttempt(), Owner: m.owner, Made: "2026-01-01T00:00:00Z"})
	if err := chain.Run(m.t.Context(), m.store, r); err != nil {
		m.t.Fatal(err)
	}
	m.links[p] = append(m.links[p], r.Link())
}

// put puts a link behind the newest, whose From, Seq, Rewind and so on are set here.
func (m *mill) put(p int32, l chain.Link) *chain.Link {
	m.t.Helper()
	last := m.links[p][len(m.links[p])-1]
	l.Version, l.Seq, l.Attempt, l.Owner, l.From = chain.Version, last.Seq+1, chain.NewAttempt(), m.owner, last.Next
	l.Made = fmt.Sprintf("2026-01-%02dT00:00:00Z", 1+l.Seq)
	switch l.Kind {
	case chain.KindRewind:
		l.Rewind = l.Seq
	default:
		l.Rewind = last.Rewind
	}
	if l.Kind == chain.KindSeal {
		l.Next = l.From
	}
	if l.Counts.Read == 0 {
		l.First, l.Last = -1, -1
	} else {
		l.First, l.Last = l.From, l.Next-1
	}
	for i := range l.Objects {
		m.stage(p, &l, &l.Objects[i])
	}
	if err := chain.Run(m.t.Context(), m.store, chain.NewExtension(m.id(p), &l)); err != nil {
		m.t.Fatal(err)
	}
	m.links[p] = append(m.links[p], &l)
	return &l
}

// stage uploads an object whose rows and offsets are set.
func (m *mill) stage(p int32, l *chain.Link, o *chain.Object) {
	m.t.Helper()
	m.tails++
	o.Tail, o.Unique, o.Dir, o.Seq = fmt.Sprintf("%08x", m.tails), true, m.id(p).Dir(), l.Seq
	if o.Key == "" {
		o.Key = fmt.Sprintf("lake/cars/%d/cars+%d+%010d-%010d-%s.json.gz", p, p, o.First, l.Seq, o.Tail)
	}
	body := rows(o.Rows)
	o.Size, o.CRC = int64(len(body)), checksum(body)
	var err error
	if o.Upload, err = m.store.Begin(m.t.Context(), o); err != nil {
		m.t.Fatal(err)
	}
	part, err := m.store.Write(m.t.Context(), o, 1, 0, chain.Bytes{body})
	if err == nil {
		o.Parts = []chain.Part{part}
		err = m.store.Seal(m.t.Context(), o)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func rows(n int64) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := range n {
		fmt.Fprintf(z, "{\"n\":%d}\n", i)
	}
	_ = z.Close()
	return b.Bytes()
}

func object(rows, first, last int64) chain.Object {
	return chain.Object{Rows: rows, First: first, Last: last}
}

// a chain with everything in it:
//
//	0 root 10       3 gap  30-34            6 rewind to 35
//	1 data 10-19    4 data 35-44 (9 read)   7 data 35-46
//	2 data 20-29    5 seal
func fullMill(t testing.TB) *mill {
	m := newMill(t)
	m.root(0, 10)
	m.put(0, chain.Link{Kind: chain.KindData, Next: 20, Counts: chain.Counts{Read: 10, Written: 10}, Objects: []chain.Object{object(6, 10, 18), object(4, 11, 19)}})
	m.put(0, chain.Link{Kind: chain.KindData, Next: 30, Counts: chain.Counts{Read: 10, Written: 7, Filtered: 3, Buried: 2, Emitted: 2}, Objects: []chain.Object{object(7, 20, 29)}})
	m.put(0, chain.Link{Kind: chain.KindGap, Next: 35, Gap: &chain.Gap{From: 30, To: 35}})
	m.put(0, chain.Link{Kind: chain.KindData, Next: 45, Counts: chain.Counts{Read: 9, Written: 9}, Objects: []chain.Object{object(9, 35, 44)}})
	m.put(0, chain.Link{Kind: chain.KindSeal})
	m.put(0, chain.Link{Kind: chain.KindRewind, Next: 35})
	m.put(0, chain.Link{Kind: chain.KindData, Next: 47, Counts: chain.Counts{Read: 12, Written: 12}, Objects: []chain.Object{object(12, 35, 46)}})
	m.root(1, 0)
	m.put(1, chain.Link{Kind: chain.KindData, Next: 3, Counts: chain.Counts{Read: 3, Filtered: 3}})
	return m
}

func (m *mill) options() chain.VerifyOptions {
	return chain.VerifyOptions{Prefix: "lake", Chain: "main", Data: []string{"lake/"}, Unique: true}
}

func (m *mill) verify(s chain.Store, o chain.VerifyOptions) *chain.Report {
	m.t.Helper()
	r, err := chain.Verify(m.t.Context(), s, o)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

func (m *mill) object(seq, i int) chain.Object { return m.links[0][seq].Objects[i] }

func (m *mill) key(seq int64) string { return m.id(0).Key(seq) }

// replace gives a key another body.
func (m *mill) replace(key string, body []byte) {
	m.t.Helper()
	m.store.Delete(key)
	if err := m.store.Put(m.t.Context(), key, body); err != nil {
		m.t.Fatal(err)
	}
}

// edit changes a link.
func (m *mill) edit(seq int64, change func(l *chain.Link)) {
	m.t.Helper()
	body, err := m.store.Get(m.t.Context(), m.key(seq))
	if err != nil {
		m.t.Fatal(err)
	}
	l, err := chain.DecodeLink(body, seq)
	if err != nil {
		m.t.Fatal(err)
	}
	change(l)
	m.replace(m.key(seq), l.Encode())
}

func (m *mill) logs(logs ...chain.Log) func(context.Context) ([]chain.Log, error) {
	return func(context.Context) ([]chain.Log, error) {
		out := slices.Clone(logs)
		for i := range out {
			l := &out[i]
			l.Cluster, l.Topic, l.TopicID = m.owner.Cluster, "cars", topicID
			if l.Committed > 0 && l.Hint.Chain != "" {
				l.Hint.Dir = m.id(l.Partition).Dir()
			}
		}
		return out, nil
	}
}
