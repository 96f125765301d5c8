package main

import (
	"math/rand/v2"

	"github.com/millrace/millrace/internal/chain"
)

// A kind is what becomes of a record.
type kind uint8

const (
	written  kind = iota // rows in one to three paths
	filtered             // a handler drops it
	buried               // it goes to the dead letter
	hole                 // no record: a control record, or compacted
)

// A record of the log. Each of its children is one row in one path.
type record struct {
	kind  kind
	paths []uint8 // of its children, under the first plan
}

// A row is what is written of a child: its record's offset and its number.
type row uint16

const maxChildren = 4

func newRow(offset int64, child int) row { return row(offset)*maxChildren + row(child) }

func (r row) offset() int64 { return int64(r / maxChildren) }

// A scope is what a run is about, and never changes within it.
type scope struct {
	log    []record
	paths  int
	procs  int
	size   int   // rows of a full file
	plans  int   // how many plans there are; each sends rows to other paths
	unique bool  // keys end in number and tail
	early  bool  // an upload is begun when its file is opened, else when it is staged
	coarse bool  // for the exhaustive search: reads are merged, files staged at once, and no offset is committed
	plain  bool  // a search makes each step apart (see merge)
	alike  bool  // Look knows objects by their content, not by their tail
	clean  bool  // every recovery cleans
	again  uint8 // what repeated Completes answer, in searches
	first  int64 // offset of the group at first, -1 for none
	fault  fault // what is done wrong, on purpose
	id     chain.ID
	dir    string
	keys   []string // of links, by number
	limits limits   // of searches
	page   int      // most keys that a List answers, whatever it was asked for; 0 for no limit
	pruned bool     // old links may be deleted
}

// limits are how often a search lets things happen.
type limits struct {
	crashes, doubts, trims, rewinds, expiries, plans, seals, forgets int8
}

const maxLinks = 96

func (s *scope) end() int64 { return int64(len(s.log)) }

// path is where a child's row goes under a plan.
func (s *scope) path(offset int64, child, plan int) uint8 {
	return uint8((int(s.log[offset].paths[child]) + plan) % s.paths)
}

// prepare fills what follows from the rest.
func (s *scope) prepare() *scope {
	s.id = chain.ID{Chain: "main", Cluster: "c", Topic: "t", TopicID: [16]byte{1}, Partition: 0}
	s.dir = s.id.Dir()
	s.keys = make([]string, maxLinks)
	for i := range s.keys {
		s.keys[i] = s.id.Key(int64(i))
	}
	return s
}

// parse makes a log of a text: one letter for each offset. A digit is a row in that path; letters beside it in brackets are children;
// f is filtered, b buried, - a hole.
func parse(text string) (log []record) {
	var inside *record
	for _, c := range []byte(text) {
		switch {
		case c == '(':
			inside = &record{}
		case c == ')':
			log = append(log, *inside)
			inside = nil
		case c == 'f':
			log = append(log, record{kind: filtered})
		case c == 'b':
			log = append(log, record{kind: buried})
		case c == '-':
			log = append(log, record{kind: hole})
		case inside != nil:
			inside.paths = append(inside.paths, c-'0')
		default:
			log = append(log, record{paths: []uint8{c - '0'}})
		}
	}
	return log
}

// randomScope draws what a run is about.
func randomScope(rng *rand.Rand, f fault) *scope {
	s := &scope{
		paths: 1 + rng.IntN(3), procs: 2 + rng.IntN(2), size: 1 + rng.IntN(4), plans: 1 + rng.IntN(3),
		unique: rng.IntN(4) > 0, early: rng.IntN(2) == 0, alike: rng.IntN(2) == 0, fault: f,
		first: -1, pruned: rng.IntN(8) == 0, page: rng.IntN(4),
	}
	if rng.IntN(4) == 0 {
		s.first = int64(rng.IntN(4))
	}
	share := rng.IntN(60) // percent of records without rows
	for range 10 + rng.IntN(15) {
		var r record
		if rng.IntN(100) < share {
			r.kind = filtered + kind(rng.IntN(3))
		} else {
			r.paths = make([]uint8, 1+rng.IntN(1+rng.IntN(3)))
			for i := range r.paths {
				r.paths[i] = uint8(rng.IntN(s.paths))
			}
		}
		s.log = append(s.log, r)
	}
	switch f { // what it needs to show
	case faultCounterKeys, faultCleanUnnamed:
		s.unique = true
	case faultOtherPlan:
		s.paths, s.plans = 3, 3
	}
	return s.prepare()
}
