package parquet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

// A generator makes rows of a column, each of one or more slots.
type generator struct {
	c     *column
	r     *rand.Rand
	style int
	n     int
	draws [][]byte
}

const styles = 6

func (g *generator) value() []byte {
	g.n++
	switch g.style {
	case 0: // few values
		if len(g.draws) < 7 {
			g.draws = append(g.draws, g.random())
		}
		return g.draws[g.r.IntN(len(g.draws))]
	case 1: // rising, where numbers do
		return g.number(g.n)
	case 2: // falling, with repeats
		return g.number(-g.n / 3)
	case 3: // one value
		return g.number(5)
	case 4: // few values at first, many later
		if g.n < 700 {
			return g.number(g.n % 9)
		}
	}
	return g.random()
}

func (g *generator) number(n int) []byte {
	switch g.c.physical {
	case format.Boolean:
		return []byte{byte(n & 1)}
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(n))
	case format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(n))
	case format.Float:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(n)))
	case format.Double:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(n)))
	case format.ByteArray:
		return fmt.Appendf([]byte{}, "value %09d", 1_000_000+n)
	}
	v := make([]byte, g.c.width)
	if n < 0 {
		for i := range v {
			v[i] = 0xff
		}
	}
	return binary.BigEndian.AppendUint32(v[:g.c.width-4], uint32(n))
}

func (g *generator) random() []byte {
	n := g.c.width
	switch {
	case g.c.physical == format.Boolean:
		return []byte{byte(g.r.IntN(2))}
	case g.c.physical == format.ByteArray:
		n = g.r.IntN(150)
		if g.r.IntN(3) == 0 {
			n = g.r.IntN(4)
		}
	case g.c.order == orderFloat32 && g.r.IntN(4) == 0:
		special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(special[g.r.IntN(5)])))
	case g.c.order == orderFloat64 && g.r.IntN(4) == 0:
		special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(special[g.r.IntN(5)]))
	}
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(g.r.Uint32())
		if g.c.kind == table.String || g.c.kind == table.JSON {
			v[i] = "abcdefghijklmnopqrstuvwxyz 01234"[v[i]%32]
		}
	}
	return v
}

// row makes the slots of a row.
func (g *generator) row() []wantSlot {
	n := 1
	if g.c.maxRep > 0 {
		n = 1 + g.r.IntN(4)
	}
	var row []wantSlot
	for i := range n {
		s := wantSlot{def: g.c.maxDef}
		if i > 0 {
			s.rep = 1 + uint8(g.r.IntN(int(g.c.maxRep)))
		}
		if g.c.maxDef > 0 && g.style != 1 && (g.r.IntN(5) == 0 || g.n/100%4 == 3 && g.style == 2) {
			g.n++
			s.def = uint8(g.r.IntN(int(g.c.maxDef)))
		} else {
			s.value = g.value()
		}
		row = append(row, s)
	}
	return row
}
