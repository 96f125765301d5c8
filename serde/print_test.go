package serde_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

// Days over all that RFC 3339 can write, and times at random, as package time writes them.
func TestTimesAreAsPackageTimeWritesThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1+random.IntN(9)) {
		days := day.Unix() / (24 * 60 * 60)
		if got, err := serde.AppendDate(nil, days); err != nil || string(got) != day.Format(time.DateOnly) {
			t.Fatalf("%d: %s %v, want %s", days, got, err, day.Format(time.DateOnly))
		}
		us := day.UnixMicro() + random.Int64N(24*60*60*1e6)
		if random.IntN(2) == 0 {
			us -= us % 1000
		}
		want := time.UnixMicro(us).UTC()
		if got, err := serde.AppendTimestamp(nil, us); err != nil || string(got) != want.Format("2006-01-02T15:04:05.999999Z") {
			t.Fatalf("%d: %s %v, want %s", us, got, err, want)
		}
		us -= day.UnixMicro()
		if got, err := serde.AppendTimeOfDay(nil, us); err != nil || string(got) != want.Format("15:04:05.999999") {
			t.Fatalf("%d: %s %v, want %s", us, got, err, want)
		}
	}
	for _, day := range []time.Time{first.AddDate(0, 0, -1), last.AddDate(0, 0, 1)} {
		if got, err := serde.AppendTimestamp([]byte("x"), day.UnixMicro()); err == nil || string(got) != "x" {
			t.Errorf("%s: %s %v", day, got, err)
		}
	}
	for _, us := range []int64{-1, 24 * 60 * 60 * 1e6, -1 << 63, 1<<63 - 1} {
		if got, err := serde.AppendTimeOfDay(nil, us); err == nil {
			t.Errorf("%d: %s", us, got)
		}
	}
	for _, us := range []int64{-1 << 63, 1<<63 - 1} {
		if got, err := serde.AppendTimestamp(nil, us); err == nil {
			t.Errorf("%d: %s", us, got)
		}
	}
}

// Numbers are strconv's shortest text: those with few decimals, which have a way of their own, their neighbours, and any others.
func TestFloatsAreAsStrconvWritesThem(t *testing.T) {
	random, out, want := rand.New(rand.NewPCG(3, 4)), []byte(nil), []byte(nil)
	check := func(f float64) {
		t.Helper()
		format := byte('f')
		if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
			format = 'e'
		}
		want = strconv.AppendFloat(want[:0], f, format, -1, 64)
		var err error
		if out, err = serde.AppendFloat64(out[:0], f); err != nil || string(out) != string(want) {
			t.Fatalf("%x: %s %v, want %s", math.Float64bits(f), out, err, want)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1e-6, 1e-7, 5e-7, 1.5e-6, 0.1, 1e9, 999999999.999999, 1e15, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		for _, x := range []float64{f, -f, math.Nextafter(f, 0), math.Nextafter(f, math.Inf(1))} {
			if !math.IsInf(x, 0) {
				check(x)
			}
		}
	}
	for range 400_000 {
		f := float64(random.Int64N(int64(math.Pow10(1+random.IntN(16))))) / math.Pow10(random.IntN(9))
		for _, x := range []float64{f, -f, math.Nextafter(f, 0), math.Nextafter(f, math.Inf(1)), random.NormFloat64() * math.Pow10(random.IntN(12))} {
			check(x)
		}
		if f = math.Float64frombits(random.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			check(f)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, err := serde.AppendFloat64([]byte("x"), f); err == nil || string(got) != "x" {
			t.Errorf("%v: %s %v", f, got, err)
		}
		if got, err := serde.AppendFloat32([]byte("x"), float32(f)); err == nil || string(got) != "x" {
			t.Errorf("%v: %s %v", f, got, err)
		}
	}
	if got, err := serde.AppendFloat32(nil, 0.1); err != nil || string(got) != "0.1" {
		t.Errorf("0.1 of 32 bits: %s %v", got, err)
	}
}

// Texts of all lengths about that of a word, with one character that isn't plain at each place.
func TestAppendString(t *testing.T) {
	for n := range 20 {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte('a' + i)
		}
		for at := -1; at < n; at++ {
			for c := range 256 {
				text := append([]byte(nil), plain...)
				if at >= 0 {
					text[at] = byte(c)
				}
				got, err := serde.AppendString([]byte("x"), text)
				if at >= 0 && c >= 0x80 {
					if err == nil || string(got) != "x" {
						t.Fatalf("%q: %s %v", text, got, err)
					}
					continue
				}
				var back string
				if err == nil {
					err = json.Unmarshal(got[1:], &back)
				}
				if err != nil || got[0] != 'x' || back != string(text) {
					t.Fatalf("%q: %s %v", text, got, err)
				}
			}
		}
		wide := string(plain) + "é😀\u2028" + string(plain)
		if got, err := serde.AppendString(nil, []byte(wide)); err != nil || string(got) != `"`+wide+`"` {
			t.Errorf("%q: %s %v", wide, got, err)
		}
	}
}

func TestAppendUUID(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		var u [16]byte
		for i := range u {
			u[i] = byte(random.Uint32())
		}
		want := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		got := serde.AppendUUID([]byte("x"), u)
		if string(got) != "x"+want {
			t.Fatalf("%s, want %s", got, want)
		}
		if back, ok := serde.ParseUUID(got[1:]); !ok || back != u {
			t.Fatalf("%s is %x", got, back)
		}
	}
}

func BenchmarkAppendTimestamp(b *testing.B) {
	b.Run("time.AppendFormat", func(b *testing.B) {
		var dst []byte
		for b.Loop() {
			dst = time.UnixMicro(1790000000123000).UTC().AppendFormat(dst[:0], "2006-01-02T15:04:05.999999Z")
		}
	})
	b.Run("AppendTimestamp", func(b *testing.B) {
		var dst []byte
		for b.Loop() {
			dst, _ = serde.AppendTimestamp(dst[:0], 1790000000123000)
		}
	})
}

func TestParseUUID(t *testing.T) {
	const good = "7f3c9a10-55E2-4c1b-9a7d-3e21aabbccdd"
	tape := serde.NewTape()
	u, ok := serde.ParseUUID([]byte(good))
	if got, err := tape.UUID(u).AppendText(nil); !ok || err != nil || string(got) != "7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd" {
		t.Errorf("%s %v %v", got, ok, err)
	}
	for i := range len(good) {
		for _, c := range []byte("-gG\x00 \xff") {
			text := []byte(good)
			if text[i] == c {
				continue
			}
			text[i] = c
			if _, ok := serde.ParseUUID(text); ok {
				t.Errorf("taken: %q", text)
			}
		}
		if _, ok := serde.ParseUUID([]byte(good[:i])); ok {
			t.Errorf("taken: %q", good[:i])
		}
	}
}
