package redisgeo

import (
	"hash/maphash"
	"testing"
)

// TestRowsInAFullTable puts members of the same names into different sets, into a table where they collide.
func TestRowsInAFullTable(t *testing.T) {
	for range 50 {
		seed := maphash.MakeSeed()
		rs := &rows{}
		rs.reset(1) // a table of four
		rs.sets = []set{{key: "x"}, {key: "y"}, {key: "z"}}
		rs.text = []byte("a")
		for offset := range int64(3) {
			for at := range int32(3) {
				rs.put(seed, row{member: span{0, 1}, set: at, next: -1, offset: offset})
			}
		}
		if len(rs.list) != 3 {
			t.Fatalf("%d rows, want one for each set", len(rs.list))
		}
		for at, s := range rs.sets {
			if r := rs.list[s.first]; s.rows != 1 || s.first != s.last || r.set != int32(at) || r.offset != 2 || r.next != -1 {
				t.Fatalf("set %d is %+v with row %+v", at, s, r)
			}
		}
	}
}
