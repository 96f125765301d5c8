package avro

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro/ocf"

	"github.com/millrace/millrace/serde"
)

var containerCodecs = []struct {
	name  string
	level int
}{{"", 0}, {"null", 0}, {"deflate", 0}, {"deflate", 1}, {"deflate", 9}, {"snappy", 0}, {"zstandard", 0}, {"zstandard", 1}, {"zstandard", 22}}

func newCodec(t testing.TB, name string, level int) *ContainerCodec {
	t.Helper()
	c, err := NewContainerCodec(name, level)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// points are rows of pointSchema, and their JSON.
func points(n int, seed uint64) (rows []byte, texts []string) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range n {
		x, name := r.Int64()-1<<62, strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(40))
		rows = encodeText(encodeLong(rows, x), []byte(name))
		texts = append(texts, fmt.Sprintf(`{"x":%d,"name":%q}`, x, name))
	}
	return rows, texts
}

func encodeLong(dst []byte, x int64) []byte {
	u := uint64(x<<1) ^ uint64(x>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func TestContainerIsReadByOthers(t *testing.T) {
	blocks := []int{1, 0, 3000, 2}
	for _, c := range containerCodecs {
		codec := newCodec(t, c.name, c.level)
		sync := [SyncLen]byte([]byte("0123456789abcdef"))
		file := codec.AppendHeader([]byte("before"), pointSchema, sync)
		var want []string
		for i, n := range blocks {
			rows, texts := points(n, uint64(i))
			file = codec.AppendBlock(file, int64(n), rows, sync)
			want = append(want, texts...)
		}
		file, ok := bytes.CutPrefix(file, []byte("before"))
		if !ok {
			t.Fatalf("%s: what was there before is gone", c.name)
		}
		for reader, read := range map[string]func(*testing.T, []byte) []string{"this package": readByUs, "goavro": readByGoavro, "twmb": readByTwmb} {
			if reader == "goavro" && c.name == "zstandard" {
				continue // it doesn't have it
			}
			got := read(t, file)
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s level %d: %s reads %d other rows than the %d", c.name, c.level, reader, len(got), len(want))
			}
		}
	}
}

func readByUs(t *testing.T, file []byte) (texts []string) {
	v, err := newContainer(t, ContainerConfig{Records: "array"}).Decode(t.Context(), serde.NewTape(), "", file)
	if err != nil {
		t.Fatal(err)
	}
	for e := range v.Elements() {
		text, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func readByGoavro(t *testing.T, file []byte) (texts []string) {
	r, err := goavro.NewOCFReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for r.Scan() {
		row, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		m := row.(map[string]any)
		texts = append(texts, fmt.Sprintf(`{"x":%d,"name":%q}`, m["x"], m["name"]))
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return texts
}

func readByTwmb(t *testing.T, file []byte) (texts []string) {
	r, err := ocf.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var row struct {
			X    int64  `avro:"x"`
			Name string `avro:"name"`
		}
		if err := r.Decode(&row); err != nil {
			if err.Error() == "EOF" {
				return texts
			}
			t.Fatal(err)
		}
		texts = append(texts, fmt.Sprintf(`{"x":%d,"name":%q}`, row.X, row.Name))
	}
}

func TestNoRowsAreNoBlock(t *testing.T) {
	for _, c := range containerCodecs {
		if got := newCodec(t, c.name, c.level).AppendBlock([]byte("<"), 0, nil, [SyncLen]byte{}); string(got) != "<" {
			t.Errorf("%s: an empty block has %d bytes", c.name, len(got)-1)
		}
	}
}

func TestContainerCodecs(t *testing.T) {
	for _, c := range []struct {
		name  string
		level int
		want  string
	}{
		{"bzip2", 0, `codec is "bzip2"`}, {"null", 1, "codec null has no level 1: 0 (the default) to 0"}, {"snappy", -1, "no level -1"},
		{"deflate", 10, "no level 10"}, {"zstandard", 23, "no level 23"},
	} {
		if _, err := NewContainerCodec(c.name, c.level); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewContainerCodec(%s, %d): %v, want %s", c.name, c.level, err, c.want)
		}
	}
}

// TestContainerCodecIsShared packs from many goroutines; there are never more packers than processors.
func TestContainerCodecIsShared(t *testing.T) {
	rows, _ := points(100, 9)
	for _, name := range []string{"null", "deflate", "snappy", "zstandard"} {
		codec := newCodec(t, name, 0)
		want := codec.AppendBlock(nil, 100, rows, [SyncLen]byte{1})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 3 {
					if got := codec.AppendBlock([]byte("<"), 100, rows, [SyncLen]byte{1}); !bytes.Equal(got[1:], want) {
						t.Errorf("%s: blocks mix", name)
					}
				}
			})
		}
		wg.Wait()
		if len(codec.idle) > cap(codec.busy) {
			t.Errorf("%s made %d packers for %d processors", name, len(codec.idle), cap(codec.busy))
		}
	}
}

func TestAppendBlockDoesNotAllocate(t *testing.T) {
	if raced {
		return // the race detector's own allocations would count
	}
	rows, _ := points(1000, 3)
	for _, c := range containerCodecs {
		codec := newCodec(t, c.name, c.level)
		dst := codec.AppendBlock(nil, 1000, rows, [SyncLen]byte{})
		if n := testing.AllocsPerRun(50, func() { dst = codec.AppendBlock(dst[:0], 1000, rows, [SyncLen]byte{}) }); n > 0 {
			t.Errorf("%s level %d: a block allocates %v times", c.name, c.level, n)
		}
	}
}
