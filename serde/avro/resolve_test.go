package avro_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

func recordOf(fields string) string {
	return `{"type":"record","name":"a.R","fields":[` + fields + `]}`
}

func enumOf(more string, symbols string) string {
	return `{"type":"enum","name":"E","symbols":[` + symbols + `]` + more + `}`
}

func fixedOf(name, more string) string {
	return `{"type":"fixed","name":"` + name + `","size":2` + more + `}`
}

const (
	xInt    = `{"name":"x","type":"int"}`
	yString = `{"name":"y","type":"string"}`
)

func TestResolve(t *testing.T) {
	xy := long(1) + str("s")
	for _, x := range []struct{ writer, reader, data, want string }{
		// Promotions.
		{`"int"`, `"long"`, long(7), `7`},
		{`"int"`, `"float"`, long(16777217), `16777216`},
		{`"int"`, `"double"`, long(16777217), `16777217`},
		{`"long"`, `"float"`, long(1 << 40), `1099511600000`},
		{`"long"`, `"double"`, long(1 << 40), `1099511627776`},
		{`"float"`, `"double"`, single(0.1), `0.10000000149011612`},
		{`"string"`, `"bytes"`, str("\xFF"), `"/w=="`},
		{`"bytes"`, `"string"`, str("é"), `"é"`},
		{`"int"`, logical("long", "timestamp-millis"), long(1000), `"1970-01-01T00:00:01Z"`},
		{`"long"`, logical("long", "timestamp-micros"), long(1000), `"1970-01-01T00:00:00.001Z"`},
		{logical("long", "timestamp-micros"), `"long"`, long(1000), `1000`},
		{`"bytes"`, decimal2, str("\x04\xE2"), `12.50`},
		{decimal2, `"bytes"`, str("\x04\xE2"), `"BOI="`},
		{decimal2, decimal2, str("\x04\xE2"), `12.50`},

		// Fields.
		{recordOf(xInt + "," + yString), recordOf(yString + "," + xInt), xy, `{"x":1,"y":"s"}`}, // in the order that they were written in
		{recordOf(xInt + "," + yString), recordOf(yString), xy, `{"y":"s"}`},
		{recordOf(xInt + "," + yString), recordOf(``), xy, `{}`},
		{recordOf(xInt + "," + yString), recordOf(`{"name":"z","type":"string","aliases":["w","y"]}`), xy, `{"z":"s"}`},
		{recordOf(xInt + "," + yString), recordOf(yString + `,{"name":"z","type":"string","aliases":["y"],"default":"d"}`), xy, `{"y":"s","z":"d"}`},
		{recordOf(xInt), recordOf(xInt + `,{"name":"z","type":["null","int"],"default":null},{"name":"w","type":"double","default":1}`), long(1), `{"x":1,"z":null,"w":1}`},
		{recordOf(xInt + "," + yString), recordOf(`{"name":"x","type":"int","aliases":["y"]},{"name":"z","type":"string","aliases":["y"]}`), xy, `{"x":1,"z":"s"}`},
		{recordOf(xInt), recordOf(`{"name":"z","type":"int","default":3}`), long(1), `{"z":3}`},
		{recordOf(``), recordOf(`{"name":"z","type":"int","default":3}`), "", `{"z":3}`},
		{recordOf(xInt), `{"type":"record","name":"b.R","fields":[` + xInt + `]}`, long(1), `{"x":1}`},
		{recordOf(xInt), `{"type":"record","name":"b.Q","aliases":["a.R"],"fields":[` + xInt + `]}`, long(1), `{"x":1}`},

		// Enums, fixed.
		{enumOf(``, `"A","B"`), enumOf(``, `"B","C","A"`), long(0), `"A"`},
		{enumOf(``, `"A","B"`), enumOf(`,"default":"C"`, `"B","C"`), long(0), `"C"`},
		{enumOf(``, `"A","B"`), enumOf(``, `"B","C"`), long(1), `"B"`},
		{fixedOf("a.F", ``), fixedOf("b.F", ``), "ab", `"YWI="`},
		{fixedOf("a.F", ``), fixedOf("b.G", `,"aliases":["a.F"]`), "ab", `"YWI="`},

		// Unions.
		{`["null","int"]`, `["string","null","long"]`, long(1) + long(5), `5`},
		{`["null","int"]`, `["string","null","long"]`, long(0), `null`},
		{`["int","string"]`, `"string"`, long(1) + str("s"), `"s"`},
		{`"int"`, `["null","double","long","int"]`, long(5), `5`},
		{`"long"`, `["null","float","double"]`, long(1 << 40), `1099511600000`}, // Java takes the first
		{`"string"`, `["null","bytes"]`, str("\xFF"), `"/w=="`},
		{recordOf(xInt), `[{"type":"record","name":"Q","aliases":["a.R"],"fields":[]},` + recordOf(xInt) + `]`, long(5), `{"x":5}`},
		{recordOf(xInt), `["null",{"type":"record","name":"b.R","fields":[` + yString + `]},{"type":"record","name":"c.R","fields":[` + xInt + `]}]`, long(5), `{"x":5}`},
		{recordOf(xInt), `[{"type":"record","name":"b.R","fields":[` + xInt + `]},{"type":"record","name":"Q","aliases":["a.R"],"fields":[{"name":"z","aliases":["x"],"type":"int"}]}]`, long(5), `{"z":5}`},
		{`{"type":"array","items":["int","null"]}`, `{"type":"array","items":["null","long"]}`, long(2) + long(1) + long(0) + long(6) + long(0), `[null,6]`},
		{`{"type":"map","values":"int"}`, `{"type":"map","values":["null","long"]}`, long(1) + str("k") + long(3) + long(0), `{"k":3}`},
		{tree, `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]},{"name":"v","type":"long"}]}`,
			long(1) + long(1) + long(2) + long(0), `{"v":1,"next":{"v":2,"next":null}}`},
		{tree, `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]}]}`, long(1) + long(1) + long(2) + long(0), `{"next":{"next":null}}`},
	} {
		p := program(t, x.writer, avro.Options{Reader: parse(t, x.reader)})
		if got, err := both(t, p, []byte(x.data)); err != nil || got != x.want {
			t.Errorf("%s as %s: got %s %v, want %s", x.writer, x.reader, got, err, x.want)
		}
	}
}

// Every default is what a record that was written with it holds.
func TestDefaults(t *testing.T) {
	for _, x := range []struct{ typ, value, want string }{
		{`"null"`, `null`, `null`},
		{`"boolean"`, `true`, `true`},
		{`"boolean"`, `false`, `false`},
		{`"long"`, `9007199254740993`, `9007199254740993`},
		{`"float"`, `0.1`, `0.1`},
		{`"float"`, `0.5`, `0.5`},
		{`"double"`, `0.1`, `0.1`},
		{`"string"`, `"a\"é"`, `"a\"é"`},
		{`"string"`, `"` + strings.Repeat("a", 70_000) + `"`, `"` + strings.Repeat("a", 70_000) + `"`},
		{`"bytes"`, `"\u00FF\u0000"`, `"/wA="`},
		{fixedOf("F", ``), `"\u00FFa"`, `"/2E="`},
		{enumOf(``, `"A","B"`), `"B"`, `"B"`},
		{`["null","string"]`, `null`, `null`},
		{`["null","string"]`, `"s"`, `"s"`},
		{`["string","null","long"]`, `5`, `5`},
		{list, `[1,2]`, `[1,2]`},
		{attrs, `{"a":1,"b":null}`, `{"a":1,"b":null}`},
		{ids, `{"a":1,"b":{"c":"x"}}`, `{"a":1,"b":{"c":"x"}}`},
		{recordOf(`{"name":"q","type":"int","default":4}`), `{}`, `{"q":4}`},
		{decimal2, `"\u0004\u00E2"`, `12.50`},
		{logical("int", "date"), `20700`, `"2026-09-04"`},
		{logical("int", "date"), `-1`, `"1969-12-31"`},
		{logical("int", "time-millis"), `1`, `"00:00:00.001"`},
		{logical("long", "timestamp-millis"), `-1`, `"1969-12-31T23:59:59.999Z"`},
		{logical("long", "local-timestamp-millis"), `1`, `"1970-01-01T00:00:00.001"`},
		{logical("string", "uuid"), `"7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd"`, `"7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd"`},
	} {
		reader := `{"type":"record","name":"T","fields":[{"name":"x","type":"int"},{"name":"d","type":` + x.typ + `,"default":` + x.value + `}]}`
		p := program(t, `{"type":"record","name":"T","fields":[{"name":"x","type":"int"}]}`, avro.Options{Reader: parse(t, reader), Limits: avro.Limits{Nodes: 1 << 16}})
		want := `{"x":1,"d":` + x.want + `}`
		if got, err := both(t, p, []byte(long(1))); err != nil || got != want {
			t.Errorf("%.200s: got %.200s %v, want %.200s", reader, got, err, want)
		}
	}
	reader := parse(t, recordOf(`{"name":"d","type":`+logical("long", "timestamp-millis")+`,"default":5}`))
	p := program(t, recordOf(``), avro.Options{Reader: reader, Timestamps: "epoch"})
	if got, err := both(t, p, nil); err != nil || got != `{"d":5}` {
		t.Errorf("epoch: %s %v", got, err)
	}
	p = program(t, recordOf(``), avro.Options{Reader: parse(t, recordOf(`{"name":"d","type":"double","default":"NaN"}`))})
	if _, err := both(t, p, nil); err == nil || !strings.Contains(err.Error(), "NaN, which JSON can't hold") {
		t.Errorf("NaN: %v", err)
	}
}

// What can never be read is refused by Compile, the rest where it is met.
func TestNotResolved(t *testing.T) {
	for _, x := range []struct{ writer, reader, want string }{
		{`"string"`, `"int"`, `avro: compile: string can't be read as int`},
		{`"long"`, `"int"`, `long can't be read as int`},
		{`"double"`, `"float"`, `double can't be read as float`},
		{`"boolean"`, `"int"`, `boolean can't be read as int`},
		{`"null"`, `"int"`, `null can't be read as int`},
		{`"int"`, `["null","string"]`, `int can't be read as any type of the reader's union`},
		{`["int","long"]`, `"string"`, `int can't be read as string`},
		{list, attrs, `array can't be read as map`},
		{list, `{"type":"array","items":"string"}`, `field "[]": int can't be read as string`},
		{recordOf(xInt), recordOf(xInt + "," + yString), `field "y": it wasn't written, and the reader's schema has no default for it`},
		{recordOf(xInt), recordOf(`{"name":"x","type":"string"}`), `field "x": int can't be read as string`},
		{ids, strings.Replace(ids, `"c","type":"string"`, `"c","type":"long"`, 1), `field "b.c": string can't be read as long`},
		{ids, strings.Replace(ids, `"c","type":"string"`, `"e","type":"long"`, 1), `field "b.e": it wasn't written`},
		{recordOf(xInt), `{"type":"record","name":"a.Q","fields":[` + xInt + `]}`, `record "a.R" can't be read as record "a.Q": the names differ`},
		{fixedOf("F", ``), fixedOf("G", ``), `the names differ`},
		{fixedOf("F", ``), `{"type":"fixed","name":"F","size":3}`, `fixed "F" of 2 bytes can't be read as one of 3`},
		{enumOf(``, `"A"`), enumOf(``, `"B"`), `no symbol of enum "E" is one of the reader's`},
		{decimal2, strings.Replace(decimal2, `"scale":2`, `"scale":3`, 1), `a decimal of precision 40 and scale 2 can't be read as one of precision 40 and scale 3`},
		{recordOf(``), recordOf(`{"name":"d","type":` + fixedOf("F", ``) + `,"default":"abc"}`), `field "d": its default`},
		{tree, strings.Replace(tree, `"v","type":"int"`, `"v","type":"string"`, 1), `field "v": int can't be read as string`},
	} {
		_, err := avro.Compile(parse(t, x.writer), avro.Options{Reader: parse(t, x.reader)})
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s as %s: got %v, want %s", x.writer, x.reader, err, x.want)
		}
	}
	for _, x := range []struct{ writer, reader, data, want string }{
		{`["int","string"]`, `"string"`, long(0) + long(5), `at byte 1: int can't be read as string`},
		{`["null","int"]`, `"long"`, long(0), `null can't be read as long`},
		{enumOf(``, `"A","B"`), enumOf(``, `"B"`), long(0), `the symbol "A" isn't one of the reader's enum "E", which has no default`},
		{`{"type":"array","items":["null",` + recordOf(xInt) + `]}`, `{"type":"array","items":["null",` + recordOf(xInt+","+yString) + `]}`,
			long(2) + long(0) + long(1) + long(5) + long(0), `field "[1]" at byte 3: field "y": it wasn't written`},
		{recordOf(xInt), recordOf(`{"name":"z","type":"int","default":3}`), "", `field "x" at byte 0: the data ends within an int`},
		{recordOf(yString), recordOf(``), str("abc")[:2], `field "y" at byte 1: the length is 3 bytes, 1 are left`},
		{recordOf(`{"name":"l","type":` + list + `}`), recordOf(``), long(-1) + long(9) + long(1) + long(0), `field "l" at byte 0: a block says that it has 9 bytes`},
		{recordOf(`{"name":"l","type":` + list + `}`), recordOf(``), long(-1) + long(2) + long(1) + long(0), `field "l" at byte 3: a block ends here`},
		{recordOf(`{"name":"u","type":["null","int"]}`), recordOf(``), long(2), `there is no type 2 in a union of 2`},
		{recordOf(`{"name":"e","type":` + enumOf(``, `"A"`) + `}`), recordOf(``), long(1), `there is no symbol 1, the enum has 1`},
		{recordOf(`{"name":"b","type":"boolean"}`), recordOf(``), "\x02", `a boolean is 0 or 1, not 2`},
		{recordOf(`{"name":"d","type":"double"}`), recordOf(``), "1234567", `the data ends within a value of 8 bytes`},
		{recordOf(`{"name":"m","type":` + attrs + `}`), recordOf(``), long(1) + str("k") + long(1), `field "m[0]" at byte 4: the data ends within a long`},
		{recordOf(`{"name":"r","type":` + strings.Replace(ids, `"R"`, `"Q"`, 1) + `}`), recordOf(``), long(1) + long(5), `field "r.b.c" at byte 2: the length is 5 bytes`},
		{recordOf(xInt), recordOf(``), long(1) + "\x00", `1 bytes are left behind`},
	} {
		p := program(t, x.writer, avro.Options{Reader: parse(t, x.reader)})
		if _, err := both(t, p, []byte(x.data)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s as %s: got %v, want %s", x.writer, x.reader, err, x.want)
		}
	}
	for want, o := range map[string]avro.Options{
		`timestamps is "iso", expected rfc3339 or epoch`: {Timestamps: "iso"},
		`depth is -1, expected 1 to 4096`:                {Limits: avro.Limits{Depth: -1}},
	} {
		if _, err := avro.Compile(parse(t, `"int"`), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := avro.Compile(nil, avro.Options{}); err == nil {
		t.Error("no schema was compiled")
	}
}

// A record that fails while a type that refers to it is resolved fails there too, and where it stands alone.
func TestRecursionThatFails(t *testing.T) {
	const (
		writer = `["null",{"type":"record","name":"A","fields":[{"name":"b","type":["null",{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}]},{"name":"x","type":"int"}]},"B"]`
		reader = `["null",{"type":"record","name":"A","fields":[{"name":"b","type":["null",{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}]},{"name":"x","type":"string"}]},"B"]`
	)
	p := program(t, writer, avro.Options{Reader: parse(t, reader)})
	if got, err := both(t, p, []byte(long(2)+long(0))); err != nil || got != `{"a":null}` {
		t.Errorf("B: %s %v", got, err)
	}
	for _, data := range []string{long(1) + long(0) + long(5), long(2) + long(1) + long(0) + long(5)} {
		if _, err := both(t, p, []byte(data)); err == nil || !strings.Contains(err.Error(), "int can't be read as string") {
			t.Errorf("A: %v", err)
		}
	}
}

func TestOrderOfMembers(t *testing.T) {
	p := program(t, recordOf(xInt+","+yString+`,{"name":"skipped","type":"int"}`), avro.Options{Reader: parse(t, recordOf(`{"name":"d","type":"int","default":1},`+yString+`,{"name":"c","type":"int","default":2},`+xInt))})
	v, err := p.Decode(serde.NewTape(), []byte(long(1)+str("s")+long(5)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range v.Members() {
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != "x y d c" || v.Len() != 4 {
		t.Errorf("got %s, %d members", got, v.Len())
	}
}
