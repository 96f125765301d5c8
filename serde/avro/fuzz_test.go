package avro_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// fuzzed are schemas that the first byte of a fuzz target's input chooses from.
func fuzzed(t testing.TB) []string {
	return []string{
		flatSchema, ids, list, attrs, tree, decimal2, fixed12, file(t, "testdata/avro.avsc"), `"string"`, `["null","int",` + list + `]`,
		recordOf(`{"name":"d","type":` + logical("int", "date") + `},{"name":"t","type":` + logical("int", "time-millis") + `},{"name":"u","type":` + logical("long", "time-micros") +
			`},{"name":"n","type":` + logical("long", "timestamp-nanos") + `},{"name":"l","type":` + logical("long", "local-timestamp-nanos") +
			`},{"name":"m","type":` + logical("long", "local-timestamp-millis") + `},{"name":"i","type":` + logical("string", "uuid") + `},{"name":"b","type":` + logical("bytes", "big-decimal") + `}`),
		`{"type":"array","items":"null"}`, `{"type":"array","items":{"type":"array","items":["null","boolean","double","float"]}}`,
		`{"type":"map","values":{"type":"map","values":"bytes"}}`,
		`{"type":"fixed","name":"F","size":20,"logicalType":"decimal","precision":40,"scale":7}`,
		enumOf(``, `"A","B"`),
		`{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"array","items":"N"}},{"name":"e","type":` + fixedOf("F", ``) + `}]}`,
	}
}

// resolved are pairs of schemas.
func resolved() [][2]string {
	more := `{"name":"z","type":{"type":"array","items":"string"},"default":["a","b"]},{"name":"f","type":"float","default":0.1}`
	return [][2]string{
		{ids, recordOfR(`{"name":"z","type":"int","default":3}`)},
		{ids, recordOfR(`{"name":"a","type":["null","double"]},` + more)},
		{tree, `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]},` + more + `]}`},
		{`{"type":"array","items":` + recordOf(`{"name":"s","type":`+attrs+`},{"name":"t","type":"bytes"}`) + `}`,
			`{"type":"array","items":` + recordOf(`{"name":"t","type":"string"},`+more) + `}`},
		{enumOf(``, `"A","B","C"`), enumOf(`,"default":"B"`, `"B","C"`)},
		{enumOf(``, `"A","B","C"`), enumOf(``, `"B","C"`)},
		{`["null","int","long","string","boolean"]`, `["bytes","double","null"]`},
		{recordOf(`{"name":"all","type":{"type":"map","values":["null","boolean","int","long","float","double","string","bytes",` + list + `,` + tree + `,` + enumOf(``, `"A"`) + `,` + fixedOf("F", ``) + `]}},` + xInt),
			recordOf(xInt)},
	}
}

func recordOfR(fields string) string {
	return `{"type":"record","name":"R","fields":[` + fields + `]}`
}

// FuzzDecode looks for a panic, and for bytes of which Decode and AppendJSON don't make the same.
func FuzzDecode(f *testing.F) {
	var programs []*avro.Program
	for i, schema := range fuzzed(f) {
		programs = append(programs, program(f, schema, avro.Options{}))
		f.Add(append([]byte{byte(i)}, flatData()...))
		f.Add([]byte{byte(i), 2, 2, 2, 2, 0})
		f.Add([]byte{byte(i), 1, 4, 2, 'a', 0, 0})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 0 {
			_, _ = both(t, programs[int(data[0])%len(programs)], data[1:])
		}
	})
}

// FuzzResolve does the same with a reader's schema. What can be read with it can be read without it.
func FuzzResolve(f *testing.F) {
	var programs, plain []*avro.Program
	for i, x := range resolved() {
		programs = append(programs, program(f, x[0], avro.Options{Reader: parse(f, x[1])}))
		plain = append(plain, program(f, x[0], avro.Options{}))
		f.Add([]byte{byte(i), 2, 2, 2, 2, 0})
		f.Add([]byte{byte(i), 1, 4, 2, 'a', 0, 0})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		i, data := int(data[0])%len(programs), data[1:]
		_, err := both(t, programs[i], data)
		if err != nil {
			return
		}
		// Skipping doesn't look into texts and keys.
		if _, err := plain[i].Decode(serde.NewTape(), data); err != nil && !strings.Contains(err.Error(), "isn't UTF-8") && !strings.Contains(err.Error(), "twice") {
			t.Errorf("%x: read with the reader's schema, but without it: %v", data, err)
		}
	})
}
