package protobuf_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

// allocated is what f allocates, in bytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// nested is n messages inside each other, each the field of a number.
func nested(number protowire.Number, n int) []byte {
	var data []byte
	for range n {
		data = bytesField(number, data)
	}
	return data
}

func TestDepth(t *testing.T) {
	m := message(t, `syntax="proto3"; import "google/protobuf/struct.proto"; message M {M m=1; google.protobuf.Value v=2; repeated M r=3; map<int32,M> x=4;}`, "", protobuf.Options{})
	for _, number := range []protowire.Number{1, 3} {
		if _, err := toJSON(m, nested(number, 63)); err != nil {
			t.Errorf("64 messages: %v", err)
		}
		if _, err := toJSON(m, nested(number, 64)); err == nil || !strings.Contains(err.Error(), "messages nest more than 64 deep") {
			t.Errorf("65 messages: %v", err)
		}
	}
	lists := func(n int) []byte { // JSON arrays
		var value []byte
		for range n {
			value = bytesField(6, bytesField(1, value))
		}
		return bytesField(2, value)
	}
	if got, err := toJSON(m, lists(63)); err != nil || !strings.Contains(got, strings.Repeat("[", 63)+"null"+strings.Repeat("]", 63)) {
		t.Errorf("63 arrays: %.100s %v", got, err)
	}
	if _, err := toJSON(m, lists(64)); err == nil || !strings.Contains(err.Error(), "nest more than 64 deep") {
		t.Errorf("64 arrays: %v", err)
	}
	groups := func(n int) []byte { return append(bytes.Repeat([]byte{0x2B}, n), bytes.Repeat([]byte{0x2C}, n)...) }
	if _, err := toJSON(m, groups(64)); err != nil {
		t.Errorf("64 unknown groups: %v", err)
	}
	if _, err := toJSON(m, groups(65)); err == nil || !strings.Contains(err.Error(), "groups nest more than 64 deep") {
		t.Errorf("65 unknown groups: %v", err)
	}
	for _, data := range [][]byte{nested(1, 3_000), groups(500_000), bytes.Repeat([]byte{0x2B}, 1<<20), bytes.Repeat([]byte{0x0a, 0xff, 0xff, 0x3f}, 1<<18)} {
		if _, err := toJSON(m, data); err == nil {
			t.Errorf("%.20x is a message", data)
		}
	}
}

// TestMemory holds what an input may allocate: 64 times its size, and 1 MiB.
func TestMemory(t *testing.T) {
	var wide strings.Builder
	for i := range 200 {
		fmt.Fprintf(&wide, "int32 f%d=%d; ", i, i+1)
	}
	text := `syntax="proto3"; import "google/protobuf/struct.proto"; message M {repeated E e=1; repeated W w=2; map<string,int32> s=3; map<int32,E> i=4; repeated bool b=5; google.protobuf.Struct j=6;
		repeated int32 n=7; repeated int32 o=8 [packed=false]; E one=9; message E {} message W {` + wide.String() + `}}`
	m := message(t, text, "", protobuf.Options{})
	var strs, ints, values []byte
	for i := range 200_000 {
		strs = append(strs, bytesField(3, bytesField(1, fmt.Append(nil, i)))...)
		ints = append(ints, bytesField(4, protowire.AppendVarint([]byte{0x08}, uint64(i)))...)
		values = append(values, bytesField(1, bytesField(1, fmt.Append(nil, i)))...)
	}
	for name, data := range map[string][]byte{
		"empty messages":         bytes.Repeat([]byte{0x0a, 0}, 1e6),
		"empty wide messages":    bytes.Repeat([]byte{0x12, 0}, 1e6),
		"empty and wide in turn": bytes.Repeat([]byte{0x0a, 0, 0x12, 0}, 5e5),
		"merged messages":        bytes.Repeat([]byte{0x4a, 0}, 1e6),
		"packed bools":           bytesField(5, make([]byte, 2e6)),
		"numbers in turn":        bytes.Repeat([]byte{0x38, 1, 0x40, 1}, 5e5),
		"entries without a key":  bytes.Repeat([]byte{0x1a, 0}, 1e6),
		"entries of text":        strs,
		"entries of numbers":     ints,
		"a struct":               bytesField(6, values),
		"unknown fields":         bytes.Repeat([]byte{0x78, 1}, 1e6),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if _, err := m.Decode(serde.NewTape(), []byte{}); err != nil { // compiled
				t.Fatal(err)
			}
			n := allocated(func() { _, err = m.Decode(serde.NewTape(), data) })
			t.Logf("%d bytes: %d allocated, %.1f for each (%v)", len(data), n, float64(n)/float64(len(data)), err)
			if most := uint64(64*len(data) + 1<<20); n > most {
				t.Errorf("%d bytes allocated %d, at most %d are allowed", len(data), n, most)
			}
			if err != nil && !strings.Contains(err.Error(), "(setting nodes)") {
				t.Error(err)
			}
		})
	}
}

// Why the decoder is not dynamicpb: what that allocates for the same input.
func TestMemoryOfDynamicpb(t *testing.T) {
	desc := descriptor(t, `syntax="proto3"; message M {repeated E e=1; message E {}}`)
	data := bytes.Repeat([]byte{0x0a, 0}, 1e6)
	n := allocated(func() {
		if err := proto.Unmarshal(data, dynamicpb.NewMessage(desc)); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%.0f bytes for each", float64(n)/float64(len(data)))
	if n < uint64(32*len(data)) {
		t.Errorf("dynamicpb allocates only %d bytes for %d: reconsider the own decoder", n, len(data))
	}
}

func TestNodes(t *testing.T) {
	text := `syntax="proto3"; message M {repeated int32 n=1;}`
	m := message(t, text, "", protobuf.Options{Nodes: 5})
	if _, err := toJSON(m, bytesField(1, make([]byte, 3))); err != nil {
		t.Error(err)
	}
	if _, err := toJSON(m, bytesField(1, make([]byte, 4))); err == nil || err.Error() != "protobuf: M: the value has more than 5 parts (setting nodes)" {
		t.Error(err)
	}
}

func TestLongKey(t *testing.T) {
	m := message(t, `syntax="proto3"; message M {map<string,int32> n=1;}`, "", protobuf.Options{})
	if _, err := toJSON(m, bytesField(1, bytesField(1, bytes.Repeat([]byte("a"), 65535)))); err != nil {
		t.Error(err)
	}
	if _, err := toJSON(m, bytesField(1, bytesField(1, bytes.Repeat([]byte("a"), 65536)))); err == nil || !strings.Contains(err.Error(), `field "n" at byte 8: a key of 65536 bytes is longer than the limit of 65535`) {
		t.Error(err)
	}
}

// Schemas that could make the compiler recurse or multiply. The test's own time limit is what a slow one meets.
func TestHostileSchemas(t *testing.T) {
	const head = `syntax="proto3"; `
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for name, test := range map[string]struct{ text, want string }{
		"too long":                 {strings.Repeat(" ", 1<<20+1), "has 1048577 bytes, at most 1048576 are possible"},
		"nested messages":          {head + strings.Repeat("message a{", 17_000) + strings.Repeat("}", 17_000), "nests more than 64 deep (byte"},
		"nested literals":          {head + "option (x) = " + strings.Repeat("{a:", 60_000), "nests more than 64 deep"},
		"brackets":                 {head + "message M {int32 a=1 " + strings.Repeat("[", 170_000), "nests more than 64 deep"},
		"long name":                {head + "message " + strings.Repeat("a", 170_000) + " {}", "a name has more than 1024 characters"},
		"long package":             {head + "package " + strings.Repeat("a.", 85_000) + "a;", "a name has more than 1024 characters"},
		"long names inside others": {head + strings.Repeat("message "+strings.Repeat("n", 900)+"{", 60) + many(60_000, func(i int) string { return fmt.Sprintf("message m%d{}", i) }), "too many long names"},
		"many parts of a package":  {head + "package " + strings.Repeat("p.", 500) + "q; message M {" + many(40_000, func(i int) string { return fmt.Sprintf("M f%d=%d;", i, i+1) }) + "}", "too many long names"},
		"a string that hides":      {head + `option a = "` + "\n" + strings.Repeat("{", 65), "nests more than 64 deep"},
		"a comment that hides":     {head + "//*/" + "\n" + strings.Repeat("{", 65), "nests more than 64 deep"},
		"a long wrong name":        {head + "message M {" + strings.Repeat("x", 1000) + " a=1;}", "..."},
		"an open string":           {head + `import "` + strings.Repeat("{", 170_000), "parse the schema"},
		"an open comment":          {head + `/*` + strings.Repeat("{", 170_000), "parse the schema"},
		"zeros":                    {strings.Repeat("\x00", 170_000), "parse the schema"},
		"bytes above ASCII":        {strings.Repeat("\xff", 1000), "parse the schema"},
		"import of itself":         {head + `import "schema.proto"; message M {}`, "cycle"},
		"required in a circle":     {`syntax="proto2"; message M {required M m=1;}`, ""},
		"many optional fields":     {head + "message M {" + many(12_000, func(i int) string { return fmt.Sprintf("optional int32 f%d=%d;", i, i+20_000) }) + "}", "too many oneofs and optional fields"},
		"many oneofs":              {head + "message M {" + many(12_000, func(i int) string { return fmt.Sprintf("oneof o%d {int32 f%[1]d=%d;}", i, i+20_000) }) + "}", "too many oneofs and optional fields"},
		"recursive":                {head + `message M {M m=1; repeated M r=2; map<string,M> p=3;}`, ""},
		"comments with brackets":   {head + "/* " + strings.Repeat("{", 100) + " */ // " + strings.Repeat("[", 100) + "\nmessage M {} // \"{ '{", ""},
		"strings with brackets":    {head + `option java_package = "` + strings.Repeat("{", 100) + `\"{{{\\"; message M {}`, ""},
		"a chain of messages":      {head + "message M {M0 m=1;}" + many(15_000, func(i int) string { return fmt.Sprintf("message M%d {M%d m=1;}\n", i, i+1) }) + "message M15000 {}", ""},
		"many fields":              {head + "message M {" + many(30_000, func(i int) string { return fmt.Sprintf("int32 f%d=%d;", i, i+30_000) }) + "}", ""},
		"many enum values":         {head + "message M {E e=1;} enum E {" + many(30_000, func(i int) string { return fmt.Sprintf("V%d=%d;", i, i*7) }) + "}", ""},
		"reserved":                 {head + "message M {" + many(30_000, func(i int) string { return fmt.Sprintf("reserved %d;", i+1) }) + "}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := protobuf.Parse(test.text)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 700 {
					t.Errorf("got %.800v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := f.Message("M")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Decode(serde.NewTape(), []byte{0x0a, 0}); err != nil && !strings.Contains(err.Error(), "required") && !strings.Contains(err.Error(), "parts") {
				t.Error(err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	m := message(f, everything, "fleet.v1.Vehicle", protobuf.Options{})
	two := message(f, `syntax="proto2"; message M {required int32 id=1; repeated group G=2 {optional M m=1; map<sint64,M> x=2;} repeated E e=3 [packed=true]; enum E {A=1;} oneof o {M a=4; string b=5;}}`, "", protobuf.Options{JSONNames: true})
	for _, seed := range [][]byte{{}, nested(38, 3), bytesField(20, bytesField(1)), bytesField(21, bytesField(1, []byte("k"))), bytesField(18, []byte{1, 2}), []byte("\x08\x01\x13\x0a\x02\x08\x01\x14\x1a\x01\x01"), bytesField(32, bytesField(1, bytesField(1, []byte("a"))))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []*protobuf.Message{m, two} {
			v, err := m.Decode(serde.NewTape(), data)
			if err != nil {
				continue
			}
			text, err := v.AppendJSON(nil)
			if err != nil {
				continue // NaN
			}
			back, err := m.Append(nil, v)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if again, err := toJSON(m, back); err != nil || again != string(text) && len(again) != len(text) {
				t.Fatalf("%s became %s (%v)", text, again, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add(fleet)
	f.Add(`edition = "2023"; message M { repeated int32 a=1 [features.repeated_field_encoding=EXPANDED]; }`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := protobuf.Parse(text)
		if err != nil {
			return
		}
		if problems := protobuf.Compatible(file, file); len(problems) > 0 {
			t.Errorf("a file isn't compatible with itself: %q", problems)
		}
		if m, err := file.GlueMessage(0); err == nil {
			_, _ = m.Decode(serde.NewTape(), []byte(text))
		}
	})
}
