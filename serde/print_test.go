package serde_test

import (
	"math/rand/v2"
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
