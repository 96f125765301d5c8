package redisgeo

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
)

// A rows is what one Load writes: for each set, the last row of each member. Its memory is reused by later Loads.
type rows struct {
	text  []byte // names and numbers, one behind the other
	list  []row
	sets  []set
	setOf []int32          // for each record of the batch its set, -1 if it isn't written
	names map[string]int32 // sets by key, where records have different ones
	table []int32          // hash table over list: index + 1, 0 is free

	strings []string // the arguments of the requests: go-redis takes a *string without an allocation
	args    []any    // pointers into strings, request after request
	todo    []request
}

// A row writes or removes one member. Its texts are parts of rows.text.
type row struct {
	member            span
	longitude         span // empty: remove the member
	latitude          span
	offsetText, order span // with versions
	offset            int64
	index             int32
	set               int32
	next              int32 // row of the same set, -1 if this is the last
}

type span struct{ from, to int }

// A set is a geo set with its rows, which are linked.
type set struct {
	key         string
	first, last int32
	rows        int
	err         error // what Redis said
}

func (rs *rows) reset(n int) {
	rs.text, rs.list, rs.sets, rs.setOf = rs.text[:0], rs.list[:0], rs.sets[:0], rs.setOf[:0]
	clear(rs.names)
	for range n {
		rs.setOf = append(rs.setOf, -1)
	}
	size := 1 << bits.Len(uint(2*n+1)) // at most half full
	if cap(rs.table) < size {
		rs.table = make([]int32, size)
	}
	rs.table = rs.table[:size]
	clear(rs.table)
}

// read makes the row of the i-th record.
func (s *Sink) read(rs *rows, b *connector.Batch, i int, r *connector.Record) error {
	remove := false
	if r.Deleted() {
		switch s.onTombstone {
		case tombstoneIgnore:
			return nil
		case tombstoneFail:
			return errTombstone
		}
		remove = true
	}
	x := row{next: -1, offset: r.Offset, index: r.Index}
	var err error
	if x.set, err = s.set(rs, b, i); err != nil {
		return err
	}
	x.member, err = rs.append(func(dst []byte) ([]byte, error) { return s.member.appendName(dst, b, i) })
	if err != nil {
		return err
	}
	if !remove {
		x.longitude, err = rs.append(func(dst []byte) ([]byte, error) {
			return s.longitude.appendDegrees(dst, maxLongitude, b, i)
		})
		if err != nil {
			return err
		}
		x.latitude, err = rs.append(func(dst []byte) ([]byte, error) {
			return s.latitude.appendDegrees(dst, maxLatitude, b, i)
		})
		if err != nil {
			return err
		}
	}
	if s.newest {
		order := r.Timestamp
		if s.version != nil {
			if order, err = s.version.order(b, i); err != nil {
				return err
			}
		}
		x.offsetText, x.order = rs.appendInt(r.Offset), rs.appendInt(order)
	}
	rs.setOf[i] = x.set
	rs.put(s.seed, x)
	return nil
}

var errTombstone = errors.New("the record is a tombstone and has no position; on_tombstone: remove or ignore accepts it")

func (rs *rows) append(f func([]byte) ([]byte, error)) (span, error) {
	from := len(rs.text)
	text, err := f(rs.text)
	if err != nil {
		return span{}, err
	}
	rs.text = text
	return span{from, len(text)}, nil
}

func (rs *rows) appendInt(n int64) span {
	from := len(rs.text)
	rs.text = strconv.AppendInt(rs.text, n, 10)
	return span{from, len(rs.text)}
}

// put adds a row, in place of an earlier one of the same member.
func (rs *rows) put(seed maphash.Seed, x row) {
	name := rs.text[x.member.from:x.member.to]
	mask := uint64(len(rs.table) - 1)
	slot := maphash.Bytes(seed, name) + uint64(x.set)*0x9e3779b97f4a7c15
	for ; rs.table[slot&mask] != 0; slot++ {
		old := &rs.list[rs.table[slot&mask]-1]
		if old.set != x.set || !bytes.Equal(rs.text[old.member.from:old.member.to], name) {
			continue
		}
		if x.offset > old.offset || x.offset == old.offset && x.index >= old.index {
			x.next = old.next
			*old = x
		}
		return
	}
	n := int32(len(rs.list))
	rs.list = append(rs.list, x)
	rs.table[slot&mask] = n + 1
	set := &rs.sets[x.set]
	if set.rows == 0 {
		set.first = n
	} else {
		rs.list[set.last].next = n
	}
	set.last = n
	set.rows++
}

// set is the number of the i-th record's set.
func (s *Sink) set(rs *rows, b *connector.Batch, i int) (int32, error) {
	constant := s.key.Constant()
	if constant && len(rs.sets) > 0 {
		return 0, nil
	}
	from := len(rs.text)
	text, err := s.key.Append(rs.text, b, i, 0)
	if err != nil {
		return 0, fmt.Errorf("key: %w", err)
	}
	key := text[from:]
	rs.text = text[:from]
	if at, ok := rs.names[string(key)]; ok {
		return at, nil
	}
	if err := s.checkKey(key); err != nil {
		return 0, err
	}
	at := int32(len(rs.sets))
	rs.sets = append(rs.sets, set{key: string(key)})
	if !constant {
		if rs.names == nil {
			rs.names = map[string]int32{}
		}
		rs.names[rs.sets[at].key] = at
	}
	return at, nil
}

const maxKey = 1024 // bytes

// checkKey refuses keys that records have no business with.
func (s *Sink) checkKey(key []byte) error {
	if len(key) > maxKey {
		return fmt.Errorf("key: has %d bytes for this record; at most %d", len(key), maxKey)
	}
	switch text := string(key); {
	case text == "":
		return errors.New("key: is empty for this record")
	case strings.HasSuffix(text, versionsSuffix) || strings.HasSuffix(text, seenSuffix):
		return fmt.Errorf("key: %q is the name of another set's companion", text)
	case s.scripted() && !taggable(text):
		return fmt.Errorf("key: %q holds a } but no {tag}: the companion keys that write: newest and expire need can't be in its slot", text)
	}
	return nil
}

// report marks the records of the sets that failed. Where all failed for one reason that isn't
// theirs, it returns that instead.
func (rs *rows) report(b *connector.Batch) error {
	var first error
	written, classes := false, false
	for _, s := range rs.sets {
		switch {
		case s.rows == 0:
		case s.err == nil:
			written = true
		case first == nil:
			first = s.err
		case connector.ClassOf(s.err) != connector.ClassOf(first):
			classes = true
		}
	}
	if first == nil || !written && !classes {
		return first
	}
	for i, at := range rs.setOf {
		if at >= 0 && rs.sets[at].err != nil {
			b.Fail(i, rs.sets[at].err)
		}
	}
	return nil
}
