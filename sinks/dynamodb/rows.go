package dynamodb

import (
	"bytes"
	"hash/maphash"
	"math/bits"

	"github.com/millrace/millrace/connector"
)

// A rows is what one Load writes. Its memory is reused by later Loads.
type rows struct {
	text  []byte // keys and requests, one behind the other
	list  []row
	keys  []chain
	rowOf []int32 // for each record of the batch its row, -1 if it has none
	table []int32 // hash table over keys: index + 1, 0 is free

	source  []byte // of the batch, for guards
	stamp   []byte // position and version of the record being read
	changes changes
	body    []byte // of a BatchWriteItem
	reply   []byte
}

// A row is what one record asks for.
type row struct {
	request   span // in rows.text
	addOnly   span // in rows.text: the request that only adds, where the other one may find the item too new; empty if there is none
	operation string
	record    int32 // in the batch
	offset    int64
	index     int32
	covers    cover
	deletes   bool
	next      int32 // row of the same key, to be written after this; -1 if this is the last
	by        int32 // row that makes this one needless, -1 if there is none
	err       error
}

// A cover is which earlier rows of its key a row makes needless.
type cover int8

const (
	coverNothing cover = iota
	coverUpdates       // it sets all that they set
	coverAll           // it leaves nothing of what the item was
)

// over: once row a is written, earlier row b needn't have been.
func (a *row) over(b *row) bool {
	return a.covers == coverAll || a.covers == coverUpdates && !b.deletes
}

// A chain is the rows of one key, which are written in their order.
type chain struct {
	key         span
	first, last int32
}

type span struct{ from, to int }

func (rs *rows) at(s span) []byte { return rs.text[s.from:s.to] }

func (rs *rows) reset(n int) {
	clear(rs.list) // of errors
	rs.text, rs.list, rs.keys, rs.rowOf, rs.source = rs.text[:0], rs.list[:0], rs.keys[:0], rs.rowOf[:0], rs.source[:0]
	for range n {
		rs.rowOf = append(rs.rowOf, -1)
	}
	size := 1 << bits.Len(uint(2*n+1)) // at most half full
	if cap(rs.table) < size {
		rs.table = make([]int32, size)
	}
	rs.table = rs.table[:size]
	clear(rs.table)
}

// find is the slot of a key in the table, and its chain, or -1.
func (rs *rows) find(seed maphash.Seed, key []byte) (slot uint64, at int32) {
	mask := uint64(len(rs.table) - 1)
	for slot = maphash.Bytes(seed, key) & mask; rs.table[slot] != 0; slot = (slot + 1) & mask {
		if at := rs.table[slot] - 1; bytes.Equal(rs.at(rs.keys[at].key), key) {
			return slot, at
		}
	}
	return slot, -1
}

// put adds the row of a key.
func (rs *rows) put(seed maphash.Seed, key span, x row) {
	n := int32(len(rs.list))
	x.next, x.by = -1, -1
	rs.list = append(rs.list, x)
	rs.rowOf[x.record] = n
	slot, at := rs.find(seed, rs.at(key))
	if at < 0 {
		rs.keys = append(rs.keys, chain{key, n, n})
		rs.table[slot] = int32(len(rs.keys))
		return
	}
	rs.link(&rs.keys[at], n)
}

// link puts a row at its place in a chain. Records come in order: only a test, or a handler's own order, makes it search.
func (rs *rows) link(c *chain, n int32) {
	after := int32(-1)
	if rs.later(c.last, n) {
		for after = c.first; !rs.later(after, n); after = rs.list[after].next {
		}
	}
	x := &rs.list[n]
	for later := after; later >= 0; later = rs.list[later].next {
		if rs.list[later].over(x) {
			x.by = later
			return
		}
	}
	// What stays of the rows before, then n, then the rows after it.
	kept := int32(-1)
	put := func(m int32) {
		if kept < 0 {
			c.first = m
		} else {
			rs.list[kept].next = m
		}
		kept = m
	}
	for m := c.first; m != after; m = rs.list[m].next {
		if e := &rs.list[m]; x.over(e) {
			e.by = n
		} else {
			put(m)
		}
	}
	put(n)
	x.next = after
	if after < 0 {
		c.last = n
	}
}

// later: row a is of a later record than row b.
func (rs *rows) later(a, b int32) bool {
	x, y := &rs.list[a], &rs.list[b]
	return x.offset > y.offset || x.offset == y.offset && x.index > y.index
}

// fail gives an error to the rows of a chain from one on.
func (rs *rows) fail(from int32, err error) {
	for n := from; n >= 0; n = rs.list[n].next {
		rs.list[n].err = err
	}
}

// report marks the records that weren't written. A record that another one made needless counts as written when that one does: where that was refused for
// ever, it has to come again by itself. Where nothing was written for a reason that isn't the records', report returns that instead.
func (rs *rows) report(b *connector.Batch) error {
	if err := rs.common(); err != nil {
		return err
	}
	for i, n := range rs.rowOf {
		if n < 0 {
			continue
		}
		last := n
		for rs.list[last].by >= 0 {
			last = rs.list[last].by
		}
		switch err := rs.list[last].err; {
		case err == nil:
		case last != n && connector.ClassOf(err) == connector.Permanent:
			b.Fail(i, connector.Retryable.Errorf("the record at offset %d was refused in whose favour this one wasn't written: %v", rs.list[last].offset, err))
		default:
			b.Fail(i, err)
		}
	}
	return nil
}

// common is the error that kept all rows from being written, if it is nobody's own.
func (rs *rows) common() error {
	var first error
	for n := range rs.list {
		switch x := &rs.list[n]; {
		case x.by >= 0:
		case x.err == nil || own(x.err):
			return nil
		case first == nil:
			first = x.err
		}
	}
	return first
}
