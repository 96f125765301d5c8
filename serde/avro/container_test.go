package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro/ocf"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/serdetest"
)

const pointSchema = `{"type":"record","name":"Point","fields":[{"name":"x","type":"long"},{"name":"name","type":"string"}]}`

// byGoavro is a container of records with the schema pointSchema, each in a block of its own.
func byGoavro(t testing.TB, codec string, records ...map[string]any) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &out, Schema: pointSchema, CompressionName: codec})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Append([]any{r}); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// byTwmb is the same, all in one block.
func byTwmb(t testing.TB, codec ocf.Codec, records ...map[string]any) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := ocf.NewWriter(&out, mustTwmb(t, pointSchema), ocf.WithCodec(codec))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// container is a container that is written by hand.
func container(schema, codec string, blocks ...[]byte) []byte {
	out := []byte(fileMagic + "\x04\x16avro.schema")
	out = encodeText(out, []byte(schema))
	out = encodeText(append(out, "\x14avro.codec"...), []byte(codec))
	out = append(append(out, 0), marker...)
	for _, b := range blocks {
		out = append(append(out, b...), marker...)
	}
	return out
}

const marker = "0123456789abcdef"

// block is a block of a container, without its marker.
func rawBlock(count int64, data []byte) []byte {
	return encodeText(binary.AppendVarint(nil, count), data)
}

func newContainer(t testing.TB, c ContainerConfig) *ContainerDecoder {
	t.Helper()
	d, err := NewContainer(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func point(x int64, name string) map[string]any { return map[string]any{"x": x, "name": name} }

func TestContainer(t *testing.T) {
	long := strings.Repeat("ab ", 50_000)
	for name, write := range map[string]func(...map[string]any) []byte{
		"goavro null":      func(r ...map[string]any) []byte { return byGoavro(t, "null", r...) },
		"goavro deflate":   func(r ...map[string]any) []byte { return byGoavro(t, "deflate", r...) },
		"goavro snappy":    func(r ...map[string]any) []byte { return byGoavro(t, "snappy", r...) },
		"twmb deflate":     func(r ...map[string]any) []byte { return byTwmb(t, ocf.DeflateCodec(9), r...) },
		"twmb snappy":      func(r ...map[string]any) []byte { return byTwmb(t, ocf.SnappyCodec(), r...) },
		"twmb zstandard":   func(r ...map[string]any) []byte { return byTwmb(t, mustZstd(t), r...) },
		"no codec is null": func(r ...map[string]any) []byte { return byGoavro(t, "", r...) },
	} {
		one, array := newContainer(t, DefaultContainerConfig()), newContainer(t, ContainerConfig{Records: "array"})
		tape := serde.NewTape()
		for range 3 {
			expectText(t, name, one, tape, write(point(7, "é")), `{"x":7,"name":"é"}`)
			expectText(t, name, one, tape, write(point(7, long)), `{"x":7,"name":"`+long+`"}`)
			expectText(t, name, array, tape, write(point(1, "a"), point(2, ""), point(-3, "c")), `[{"x":1,"name":"a"},{"x":2,"name":""},{"x":-3,"name":"c"}]`)
			expectText(t, name, array, tape, write(), `[]`)
			expectText(t, name, array, tape, write(point(1, "a")), `[{"x":1,"name":"a"}]`)
			_, err := one.Decode(t.Context(), tape, "", write(point(1, "a"), point(2, "b")))
			expectError(t, name, err, "has 2 records, expected one; set records: array")
			_, err = one.Decode(t.Context(), tape, "", write())
			expectError(t, name, err, "has 0 records")
			tape.Reset()
		}
	}
}

func expectText(t testing.TB, name string, d serde.Decoder, tape *serde.Tape, data []byte, want string) {
	t.Helper()
	v, err := d.Decode(t.Context(), tape, "", data)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got, err := v.AppendJSON(nil); err != nil || string(got) != want {
		t.Errorf("%s: got %.200s %v, want %.200s", name, got, err, want)
	}
}

func expectError(t testing.TB, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want an error with %q", name, err, want)
	}
}

func TestContainerErrors(t *testing.T) {
	d := newContainer(t, ContainerConfig{Records: "array", MaxOutput: 1000, Limits: Limits{Nodes: 100}})
	good := container(`"int"`, "null", rawBlock(1, []byte{2}))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	noSum := append(bytes.Clone(snappyBlock(t, "abcd")), 0)
	for name, x := range map[string]struct {
		data []byte
		want string
	}{
		"empty":           {[]byte{}, `doesn't begin with "Obj" and 1`},
		"JSON":            {[]byte(`{"a":1}`), `doesn't begin with "Obj" and 1`},
		"version 2":       {[]byte("Obj\x02"), `doesn't begin with "Obj" and 1`},
		"cut":             {good[:len(good)-1], "block at byte"},
		"marker":          {flipped, "the sync marker behind it isn't that of the header"},
		"bzip2":           {container(`"int"`, "bzip2"), `codec is "bzip2", which isn't supported; null, deflate, snappy and zstandard are`},
		"xz":              {container(`"int"`, "xz"), `codec is "xz"`},
		"schema":          {container(`"in"`, "null", rawBlock(1, []byte{2})), `the type "in" isn't defined`},
		"count":           {container(`"int"`, "null", rawBlock(-1, []byte{2})), "it says that it has -1 records"},
		"fewer":           {container(`"int"`, "null", rawBlock(1, []byte{2, 2})), "1 bytes are left behind its 1 records"},
		"more":            {container(`"int"`, "null", rawBlock(2, []byte{2})), "the data ends within an int"},
		"many nulls":      {container(`"null"`, "null", rawBlock(1<<31-1, nil)), "more than the limit nodes"},
		"many records":    {container(`{"type":"record","name":"R","fields":[]}`, "null", rawBlock(101, nil)), "more than the limit nodes"},
		"not deflate":     {container(`"int"`, "deflate", rawBlock(1, []byte("xxxx"))), "codec deflate: "},
		"not snappy":      {container(`"int"`, "snappy", rawBlock(1, []byte("\x01xxxxx"))), "codec snappy: "},
		"not zstandard":   {container(`"int"`, "zstandard", rawBlock(1, []byte("xxxx"))), "codec zstandard: "},
		"checksum":        {container(`"string"`, "snappy", rawBlock(1, noSum)), "codec snappy: "},
		"wrong checksum":  {container(`"string"`, "snappy", rawBlock(1, append(snappyBlock(t, "abcd")[:7], 0, 0, 0, 0))), "the checksum isn't that of the block"},
		"many parts":      {container(pointSchema, "null", rawBlock(60, bytes.Repeat([]byte{2, 0}, 60))), "more than 100 parts"},
		"snappy's length": {container(`"string"`, "snappy", rawBlock(1, []byte("\xf4\x03xxxx0000"))), "6 bytes can't unpack to 500"},
		"metadata":        {[]byte("Obj\x01\xfe\xff\xff\xff\x0f"), "more than 1000 entries"},
		"least count":     {[]byte("Obj\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"), "more than 1000 entries"},
		"no schema":       {append([]byte("Obj\x01\x00"), marker...), `no schema, "avro.schema"`},
		"length":          {[]byte("Obj\x01\x02\x7f"), "-64 bytes should follow"},
	} {
		v, err := d.Decode(t.Context(), serde.NewTape(), "", x.data)
		expectError(t, name, err, x.want)
		if v.Exists() {
			t.Errorf("%s: a value", name)
		}
	}
}

// A block unpacks to no more than it may, and takes memory only as it does.
func TestContainerBombs(t *testing.T) {
	const most = 1 << 20
	zeros := make([]byte, 64<<20)
	for _, codec := range []string{"deflate", "snappy", "zstandard"} {
		bomb := container(`{"type":"array","items":"null"}`, codec, rawBlock(1, pack(t, codec, zeros)))
		half := len(bomb) / 2
		again := container(`"bytes"`, codec, rawBlock(1, pack(t, codec, encodeText(nil, zeros[:most*3/4]))), rawBlock(1, pack(t, codec, encodeText(nil, zeros[:most*3/4]))))
		d := newContainer(t, ContainerConfig{Records: "array", MaxOutput: most})
		_, _ = d.Decode(t.Context(), serde.NewTape(), "", bomb[:half])
		for name, data := range map[string][]byte{"one block": bomb, "two blocks": again} {
			var before, after runtime.MemStats
			tape := serde.NewTape()
			runtime.ReadMemStats(&before)
			_, err := d.Decode(t.Context(), tape, "", data)
			runtime.ReadMemStats(&after)
			expectError(t, codec+" "+name, err, "more than max_output allows")
			if n := after.TotalAlloc - before.TotalAlloc; n > 16*most {
				t.Errorf("%s %s: %d bytes were allocated", codec, name, n)
			}
		}
		fits := container(`"bytes"`, codec, rawBlock(1, pack(t, codec, encodeText(nil, zeros[:most-8]))))
		if _, err := d.Decode(t.Context(), serde.NewTape(), "", fits); err != nil {
			t.Errorf("%s: %v", codec, err)
		}
	}
}

func TestContainerReader(t *testing.T) {
	reader := `{"type":"record","name":"Point","fields":[{"name":"label","type":"string","aliases":["name"]},{"name":"x","type":"double"},{"name":"z","type":"int","default":5}]}`
	d := newContainer(t, ContainerConfig{Reader: reader})
	tape := serde.NewTape()
	v, err := d.Decode(t.Context(), tape, "", byGoavro(t, "null", point(2, "a")))
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := v.Field("x").Float64(); x != 2 || text(v.Field("label")) != "a" || v.Field("z").Kind() != serde.Int64 {
		got, err := v.AppendJSON(nil)
		t.Errorf("got %s %v", got, err)
	}
	if s := v.Schema(); s == nil || s.Name != "Point" || s.Format != serde.Avro || !strings.Contains(s.Text, `"x"`) || s.Reader != reader {
		t.Errorf("schema %+v", s)
	}
	stamp := `{"type":"long","logicalType":"timestamp-millis"}`
	expectText(t, "epoch", newContainer(t, ContainerConfig{Timestamps: "epoch"}), tape, container(stamp, "null", rawBlock(1, []byte{2})), "1")
	expectText(t, "RFC 3339", newContainer(t, ContainerConfig{}), tape, container(stamp, "null", rawBlock(1, []byte{2})), `"1970-01-01T00:00:00.001Z"`)
}

func TestContainerConfig(t *testing.T) {
	for want, c := range map[string]ContainerConfig{
		`records is "two", expected one or array`: {Records: "two"},
		"max_output is -1":                        {MaxOutput: -1},
		"timestamps is":                           {Timestamps: "iso"},
		"reader: ":                                {Reader: "{"},
		"depth is -1":                             {Limits: Limits{Depth: -1}},
	} {
		_, err := NewContainer(c)
		expectError(t, want, err, want)
	}
}

// More schemas than are kept, by several goroutines.
func TestContainerSchemas(t *testing.T) {
	d := newContainer(t, DefaultContainerConfig())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			tape := serde.NewTape()
			for i := range 3 * mostPrograms {
				schema := fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"f%d","type":"int"}]}`, i, i)
				expectText(t, schema, d, tape, container(schema, "null", rawBlock(1, []byte{2})), fmt.Sprintf(`{"f%d":1}`, i))
				if n := len(*d.programs.Load()); n > mostPrograms {
					t.Errorf("%d programs are kept", n)
				}
				tape.Reset()
			}
		})
	}
	wg.Wait()
}

func TestContainerConformance(t *testing.T) {
	serdetest.Test(t, newContainer(t, DefaultContainerConfig()), []serdetest.Sample{
		{Name: "null", Data: byGoavro(t, "null", point(1, "a")), JSON: `{"x":1,"name":"a"}`},
		{Name: "deflate", Data: byGoavro(t, "deflate", point(1, "a")), JSON: `{"x":1,"name":"a"}`},
		{Name: "snappy", Data: byGoavro(t, "snappy", point(1, "a")), JSON: `{"x":1,"name":"a"}`},
		{Name: "zstandard", Data: byTwmb(t, mustZstd(t), point(1, "a")), JSON: `{"x":1,"name":"a"}`},
	})
}

func FuzzContainer(f *testing.F) {
	for _, codec := range []string{"null", "deflate", "snappy"} {
		f.Add(byGoavro(f, codec, point(1, "a"), point(2, "b")))
	}
	f.Add(byTwmb(f, mustZstd(f), point(1, "a")))
	d := newContainer(f, ContainerConfig{Records: "array", MaxOutput: 1 << 20})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := d.Decode(t.Context(), serde.NewTape(), "", data)
		if err == nil {
			_, _ = v.AppendJSON(nil)
		}
	})
}

// The steady state allocates nothing but where codecs do.
func BenchmarkContainer(b *testing.B) {
	d := newContainer(b, DefaultContainerConfig())
	tape := serde.NewTape()
	for name, data := range map[string][]byte{
		"null": byGoavro(b, "null", point(1, "a")), "deflate": byGoavro(b, "deflate", point(1, "a")),
		"snappy": byGoavro(b, "snappy", point(1, "a")), "zstandard": byTwmb(b, mustZstd(b), point(1, "a")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(b.Context(), tape, "", data); err != nil {
					b.Fatal(err)
				}
				tape.Reset()
			}
		})
	}
}
