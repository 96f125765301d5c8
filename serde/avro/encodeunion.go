package avro

import (
	"encoding/binary"
	"strings"

	"github.com/millrace/millrace/serde"
)

// union appends v as the type of a union that fits it best; see Encoder.
func (g *encoding) union(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	k := v.Kind()
	if k == serde.Object && h.objects == 1 { // whose errors say more than that no type fits
		for i, b := range h.branches {
			if b.Type == Record || b.Type == Map {
				return g.branch(dst, h, i, v)
			}
		}
	}
	best, rank, fits := -1, noRank, 0
	for i, b := range h.branches {
		switch r := b.rank(k, v); {
		case r == noRank:
			continue
		case r < rank:
			best, rank = i, r
		}
		fits++
	}
	switch {
	case fits == 0:
		return nil, refuse("the value is %s, which fits none of the types of the union: %s", sample(v), h.types())
	case fits == 1 || k == serde.Object && g.work > maxWork:
		return g.branch(dst, h, best, v)
	}
	return g.try(dst, h, v)
}

// try appends v as the first type that it can be written as, the best first.
func (g *encoding) try(dst []byte, h *shape, v serde.Value) (_ []byte, first *misfit) {
	g.tries++
	defer func() { g.tries-- }()
	k := v.Kind()
	for rank := range noRank {
		for i, b := range h.branches {
			if b.rank(k, v) != rank {
				continue
			}
			slots := len(g.slots)
			out, m := g.branch(dst, h, i, v)
			if m == nil {
				return out, nil
			}
			clear(g.slots[slots:])
			if g.slots = g.slots[:slots]; first == nil {
				first = m
			}
		}
	}
	return nil, first
}

// branch appends v as the i-th type of a union.
func (g *encoding) branch(dst []byte, h *shape, i int, v serde.Value) ([]byte, *misfit) {
	return g.append(binary.AppendVarint(dst, int64(i)), h.branches[i], v)
}

// types lists the types of a union.
func (h *shape) types() string {
	var titles []string
	for i, b := range h.Branches {
		if i == 10 {
			titles = append(titles, "...")
			break
		}
		titles = append(titles, b.title())
	}
	return strings.Join(titles, ", ")
}

// noRank is the rank of a type that doesn't fit; the best fit is 0.
const noRank = 8

// rank says how near the type is to v, of kind k, without looking into containers further than at the names of members.
func (h *shape) rank(k serde.Kind, v serde.Value) int {
	switch k {
	case serde.Int64, serde.Float64, serde.Decimal:
		return h.rankNumber(k, v)
	case serde.String:
		return h.rankText(v)
	case serde.Object:
		if h.Type == Map {
			return 1
		}
		return h.rankMembers(v)
	case serde.UUID:
		if h.Type == Fixed && h.Logical == NoLogical && h.Size == 16 {
			return 2
		}
	case serde.Bytes:
		switch {
		case h.Logical == Duration:
			return 1
		case h.Logical == NoLogical && (h.Type == Bytes || h.Type == Fixed && h.Size == v.Len()):
			return 0
		}
		return noRank
	}
	switch {
	case k == h.kind:
		return 0
	case h.Type == String && h.Logical == NoLogical && (k == serde.Date || k == serde.Time || k == serde.Timestamp || k == serde.UUID):
		return 1
	}
	return noRank
}

// kindOf is the kind that values of a type have when they are decoded, for those that have one of their own.
func kindOf(s *Schema) serde.Kind {
	switch s.Logical {
	case Date:
		return serde.Date
	case TimeMillis, TimeMicros:
		return serde.Time
	case TimestampMillis, TimestampMicros, TimestampNanos:
		return serde.Timestamp
	case UUID:
		return serde.UUID
	case NoLogical:
		switch s.Type {
		case Null:
			return serde.Null
		case Boolean:
			return serde.Bool
		case Array:
			return serde.Array
		}
	}
	return serde.Missing
}

func (h *shape) rankNumber(k serde.Kind, v serde.Value) int {
	n, whole := v.Int64()
	switch h.Logical {
	case NoLogical:
	case Decimal, BigDecimal:
		if k == serde.Decimal {
			return 0
		}
		return 1
	case UUID, Duration:
		return noRank
	default:
		if !whole {
			return noRank
		}
		return 7
	}
	switch h.Type {
	case Int, Long:
		switch {
		case !whole || h.Type == Int && n != int64(int32(n)):
			return noRank
		case k == serde.Int64:
			return 0
		}
		return 4
	case Float, Double:
		f, ok := v.Float64()
		switch {
		case !ok:
			return noRank
		case h.Type == Float && f != float64(float32(f)) && f == f:
			return 6
		case k == serde.Float64:
			return 0
		case k == serde.Int64 && (n > 1<<53 || n < -1<<53):
			return 5
		}
		return 2
	}
	return noRank
}

func (h *shape) rankText(v serde.Value) int {
	text, _ := v.Text()
	switch h.Logical {
	case NoLogical:
	case UUID:
		_, ok := serde.ParseUUID(text)
		switch {
		case !ok && h.Type == Fixed:
			return noRank
		case !ok:
			return 2
		case h.Type == Fixed:
			return 3
		}
		return 0
	case Decimal, BigDecimal:
		return 4
	default:
		return 3
	}
	switch h.Type {
	case Enum:
		if _, ok := h.index[string(text)]; ok {
			return 0
		}
	case String:
		return 1
	case Bytes, Fixed:
		return 5
	}
	return noRank
}

// rankMembers is the rank of a record: it must have no other members than fields, and all fields without a default.
func (h *shape) rankMembers(v serde.Value) int {
	if h.Type != Record {
		return noRank
	}
	required := 0
	for name := range v.Members() {
		i, ok := h.index[name]
		if !ok {
			return noRank
		}
		if !h.fields[i].has {
			required++
		}
	}
	switch {
	case required < h.required:
		return noRank
	case v.Len() < len(h.fields):
		return 2 // behind a map, which keeps the value as it is
	}
	return 0
}
