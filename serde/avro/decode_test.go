package avro_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

func long(n int64) string { return string(binary.AppendVarint(nil, n)) }

func double(f float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
}

func single(f float32) string {
	return string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)))
}

func str(s string) string { return long(int64(len(s))) + s }

// logical is a schema of a primitive type.
func logical(typ, name string) string { return `{"type":"` + typ + `","logicalType":"` + name + `"}` }

const (
	decimal2 = `{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}`
	fixed12  = `{"type":"fixed","name":"D","size":12,"logicalType":"duration"}`
	ids      = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":{"type":"record","name":"S","fields":[{"name":"c","type":"string"}]}}]}`
	list     = `{"type":"array","items":"int"}`
	attrs    = `{"type":"map","values":["null","long"]}`
	tree     = `{"type":"record","name":"N","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","N"]}]}`
)

func TestTypes(t *testing.T) {
	for _, x := range []struct{ schema, data, want string }{
		{`"null"`, "", `null`},
		{`"boolean"`, "\x01", `true`},
		{`"boolean"`, "\x00", `false`},
		{`"int"`, long(math.MinInt32), `-2147483648`},
		{`"int"`, "\x80\x00", `0`}, // longer than need be, as Java takes it
		{`"long"`, long(math.MinInt64), `-9223372036854775808`},
		{`"long"`, long(9007199254740993), `9007199254740993`},
		{`"float"`, single(0.1), `0.1`},
		{`"float"`, single(1e-7), `1e-07`},
		{`"double"`, double(0.1), `0.1`},
		{`"double"`, double(-12.345678), `-12.345678`},
		{`"double"`, double(1e21), `1e+21`},
		{`"double"`, double(999999999.9999999), `999999999.9999999`},
		{`"double"`, double(math.Copysign(0, -1)), `-0`},
		{`"string"`, str("Bakı \"1\"\n\x01"), `"Bakı \"1\"\n\u0001"`},
		{`"bytes"`, str("\x00\xFFa"), `"AP9h"`},
		{`{"type":"fixed","name":"F","size":3}`, "\x00\xFFa", `"AP9h"`},
		{`{"type":"fixed","name":"F","size":0}`, "", `""`},
		{`{"type":"enum","name":"E","symbols":["A","B-\""]}`, long(1), `"B-\""`},
		{`["null","string"]`, long(1) + str("x"), `"x"`},
		{ids, long(-1) + str("x"), `{"a":-1,"b":{"c":"x"}}`},
		{`{"type":"record","name":"R","fields":[]}`, "", `{}`},
		{list, long(2) + long(1) + long(2) + long(1) + long(3) + long(0), `[1,2,3]`},
		{list, long(-2) + long(2) + long(1) + long(2) + long(0), `[1,2]`},
		{list, long(0), `[]`},
		{attrs, long(2) + str("k\"") + long(1) + long(5) + str("l") + long(0) + long(0), `{"k\"":5,"l":null}`},
		{attrs, long(0), `{}`},
		{`{"type":"map","values":{"type":"map","values":"int"}}`,
			long(1) + str("a") + long(1) + str("x") + long(1) + long(0) + long(1) + str("b") + long(0) + long(0), `{"a":{"x":1},"b":{}}`},
		{tree, long(1) + long(1) + long(2) + long(0), `{"v":1,"next":{"v":2,"next":null}}`},

		{logical("int", "date"), long(20700), `"2026-09-04"`},
		{logical("int", "date"), long(-719528), `"0000-01-01"`},
		{logical("int", "date"), long(2932896), `"9999-12-31"`},
		{logical("int", "time-millis"), long(86399999), `"23:59:59.999"`},
		{logical("long", "time-micros"), long(1), `"00:00:00.000001"`},
		{logical("long", "timestamp-millis"), long(1767225600120), `"2026-01-01T00:00:00.12Z"`},
		{logical("long", "timestamp-millis"), long(-1), `"1969-12-31T23:59:59.999Z"`},
		{logical("long", "timestamp-micros"), long(951782400000001), `"2000-02-29T00:00:00.000001Z"`},
		{logical("long", "timestamp-nanos"), long(1000), `"1970-01-01T00:00:00.000001Z"`},
		{logical("long", "timestamp-nanos"), long(1010), `"1970-01-01T00:00:00.000001010Z"`},
		{logical("long", "timestamp-nanos"), long(math.MinInt64), `"1677-09-21T00:12:43.145224192Z"`},
		{logical("long", "local-timestamp-millis"), long(1795255200123), `"2026-11-21T10:00:00.123"`},
		{logical("long", "local-timestamp-micros"), long(-1), `"1969-12-31T23:59:59.999999"`},
		{logical("long", "local-timestamp-nanos"), long(1e9), `"1970-01-01T00:00:01"`},
		{logical("long", "local-timestamp-nanos"), long(10), `"1970-01-01T00:00:00.000000010"`},
		{logical("string", "uuid"), str("7F3c9a10-55e2-4c1b-9a7d-3e21aabbccdd"), `"7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd"`},
		{logical("string", "uuid"), str("7F3c9a10+55e2-4c1b-9a7d-3e21aabbccdd"), `"7F3c9a10+55e2-4c1b-9a7d-3e21aabbccdd"`},
		{logical("string", "uuid"), str("none"), `"none"`},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, "0123456789abcdef", `"30313233-3435-3637-3839-616263646566"`},
		{fixed12, "\x01\x00\x00\x00\x02\x00\x00\x00\xBC\x0B\x00\x00", `"P1M2DT3.004S"`},
		{fixed12, strings.Repeat("\x00", 12), `"PT0S"`},
		{fixed12, "\x01" + strings.Repeat("\x00", 11), `"P1M"`},
		{fixed12, strings.Repeat("\x00", 8) + "\x64\x00\x00\x00", `"PT0.1S"`},
		{fixed12, strings.Repeat("\xFF", 12), `"P4294967295M4294967295DT4294967.295S"`},
		{decimal2, str("\x04\xE2"), `12.50`},
		{decimal2, str("\xFF"), `-0.01`},
		{decimal2, str("\x00"), `0.00`},
		{decimal2, str("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), `0.01`},
		{decimal2, str("\x80\x00\x00\x00\x00\x00\x00\x00"), `-92233720368547758.08`},
		{decimal2, str("\x80\x00\x00\x00\x00\x00\x00\x00\x00"), `-23611832414348226068.48`},
		{decimal2, str("\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), `184467440737095516.15`},
		{`{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9,"scale":0}`, "\xFF\xFF\xFF\x9C", `-100`},
		{logical("bytes", "big-decimal"), str(str("\x04\xE2") + long(2)), `12.50`},
		{logical("bytes", "big-decimal"), str(str("\x0C") + long(-3)), `12000`},
		{logical("bytes", "big-decimal"), str(str("\x00") + long(-3)), `0`},
	} {
		p := program(t, x.schema, avro.Options{})
		if got, err := both(t, p, []byte(x.data)); err != nil || got != x.want {
			t.Errorf("%s of %x: got %s %v, want %s", x.schema, x.data, got, err, x.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for kind, x := range map[serde.Kind][2]string{
		serde.Timestamp: {logical("long", "timestamp-nanos"), long(5000)},
		serde.String:    {logical("long", "timestamp-nanos"), long(5001)},
		serde.UUID:      {logical("string", "uuid"), str("7F3c9a10-55e2-4c1b-9a7d-3e21aabbccdd")},
		serde.Decimal:   {decimal2, str("\x01")},
		serde.Date:      {logical("int", "date"), long(1)},
		serde.Time:      {logical("int", "time-millis"), long(1)},
		serde.Bytes:     {`"bytes"`, str("x")},
		serde.Int64:     {`"int"`, long(1)},
		serde.Float64:   {`"float"`, single(1)},
	} {
		v, err := program(t, x[0], avro.Options{}).Decode(serde.NewTape(), []byte(x[1]))
		if err != nil || v.Kind() != kind {
			t.Errorf("%s: got %s %v, want %s", x[0], v.Kind(), err, kind)
		}
	}
	for _, name := range []string{"timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"} {
		p := program(t, logical("long", name), avro.Options{Timestamps: "epoch"})
		if got, err := both(t, p, []byte(long(1767225600123))); err != nil || got != "1767225600123" {
			t.Errorf("%s as epoch: %s %v", name, got, err)
		}
	}
	s := &serde.Schema{Format: serde.Avro, Name: "x"}
	if v, err := program(t, `"int"`, avro.Options{Schema: s}).Decode(serde.NewTape(), []byte{2}); err != nil || v.Schema() != s {
		t.Errorf("schema %v, %v", v.Schema(), err)
	}
}

func TestFaults(t *testing.T) {
	deep := `{"type":"record","name":"T","fields":[{"name":"pos","type":{"type":"array","items":{"type":"map","values":` + ids + `}}}]}`
	for _, x := range []struct{ schema, data, want string }{
		{`"string"`, "", `avro: at byte 0: the data ends within a long`},
		{`"string"`, str("abc")[:3], `avro: at byte 1: the length is 3 bytes, 2 are left`},
		{`"string"`, long(-1), `avro: at byte 1: the length is -1, less than 0`},
		{`"string"`, str("a\xFF"), `avro: at byte 2: the text isn't UTF-8: byte 0xFF`},
		{`"string"`, str("12345678\xC3"), `at byte 9: the text isn't UTF-8: byte 0xC3`},
		{`"int"`, long(1 << 31), `avro: at byte 0: the number doesn't fit an int`},
		{`"int"`, "\x80\x80\x80\x80\x80\x00", `an int has more than 5 bytes`},
		{`"int"`, "\x80\x80\x80\x80\x10", `the number doesn't fit an int`},
		{`"long"`, strings.Repeat("\xFF", 9) + "\x02", `the number doesn't fit a long`},
		{`"long"`, strings.Repeat("\xFF", 10) + "\x01", `a long has more than 10 bytes`},
		{`"long"`, "\xFF", `the data ends within a long`},
		{`"boolean"`, "", `the data ends within a boolean of 1 bytes: 0 are left`},
		{`"boolean"`, "\x02", `a boolean is 0 or 1, not 2`},
		{`"double"`, "1234567", `the data ends within a double of 8 bytes: 7 are left`},
		{`"float"`, "123", `the data ends within a float of 4 bytes: 3 are left`},
		{`{"type":"fixed","name":"F","size":3}`, "ab", `the data ends within a fixed value of 3 bytes: 2 are left`},
		{fixed12, "12345678901", `the data ends within a fixed value of 12 bytes`},
		{`"int"`, long(1) + "\x00\x00", `avro: at byte 1: 2 bytes are left behind the value`},
		{`["null","int"]`, long(2), `there is no type 2 in a union of 2`},
		{`["null","int"]`, long(-1), `there is no type -1 in a union of 2`},
		{`{"type":"enum","name":"E","symbols":["A"]}`, long(1), `there is no symbol 1, the enum has 1`},
		{list, long(3) + long(1), `avro: field "[1]" at byte 2: the data ends within an int`},
		{list, long(-1) + long(2) + long(1) + long(0), `avro: at byte 3: a block ends here, but said that it would at byte 4`},
		{list, long(-1) + long(100) + long(1) + long(0), `a block says that it has 100 bytes, 2 are left`},
		{list, long(-1) + long(-1) + long(1) + long(0), `a block says that it has -1 bytes`},
		{list, long(1), `avro: field "[0]" at byte 1: the data ends within an int`},
		{list, long(math.MinInt64) + long(0) + long(0), `a block has the count -9223372036854775808`},
		{list, long(1 << 40), `a block says that it has 1099511627776 items`},
		{attrs, long(2) + str("k") + long(0) + str("k") + long(0) + long(0), `the map has the key "k" twice`},
		{attrs, long(1) + str("k\xFF") + long(0) + long(0), `the text isn't UTF-8`},
		{attrs, long(1) + str(strings.Repeat("k", 65536)) + long(0) + long(0), `the key of a map has 65536 bytes; at most 65535`},
		{deep, long(1) + long(1) + str("k") + long(1) + long(5), `avro: field "pos[0].k.b.c" at byte 6: the length is 5 bytes, 0 are left`},
		{deep, long(1) + long(0) + long(1) + long(1) + str("k") + long(1) + long(5), `field "pos[1].k.b.c"`},
		{logical("int", "time-millis"), long(86400000), `86400000 milliseconds are no time of a day`},
		{logical("long", "time-micros"), long(-1), `-1 microseconds are no time of a day`},
		{logical("long", "timestamp-millis"), long(math.MaxInt64), `timestamp`},
		{logical("long", "local-timestamp-millis"), long(253402300800000), `the year of a local timestamp isn't from 0 to 9999`},
		{decimal2, long(0), `a decimal has no bytes`},
		{decimal2, str("\x01" + strings.Repeat("\xFF", 1701)), `a decimal of 1702 bytes has more than 4096 digits`},
		{logical("bytes", "big-decimal"), str(str("\x01") + long(5000)), `a big-decimal has the scale 5000`},
		{logical("bytes", "big-decimal"), str(str("\x01") + long(1) + "\x00"), `1 bytes are left behind a big-decimal`},
		{logical("bytes", "big-decimal"), str(long(9)), `the length is 9 bytes, 0 are left`},
		{logical("bytes", "big-decimal"), str(str("\x01")) + long(1), `the data ends within an int`},
		{logical("string", "uuid"), str("7F3c9a10-55e2-4c1b-9a7d-3e21aabbccd\xFF"), `the text isn't UTF-8`},
	} {
		p := program(t, x.schema, avro.Options{})
		_, err := both(t, p, []byte(x.data))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s of %x: got %v, want %s", x.schema, x.data, err, x.want)
		}
		if v, err := p.Decode(serde.NewTape(), []byte(x.data)); err == nil {
			t.Errorf("%s of %x: Decode gives a value of %d", x.schema, x.data, v.Len())
		}
		dst, err := p.AppendJSON([]byte("kept"), []byte(x.data))
		if err == nil || string(dst) != "kept" {
			t.Errorf("%s of %x: AppendJSON gives %s", x.schema, x.data, dst)
		}
	}
}

// What a value can hold and JSON can't.
func TestNotInJSON(t *testing.T) {
	for _, x := range []struct{ schema, data, want string }{
		{`"double"`, double(math.NaN()), `the number is NaN, which JSON can't hold`},
		{`"double"`, double(math.Inf(1)), `the number is +Inf`},
		{`"float"`, single(float32(math.Inf(-1))), `the number is -Inf`},
		{logical("int", "date"), long(2932897), `the date: the year is 10000, which RFC 3339 can't write`},
		{logical("int", "date"), long(-719529), `the date: the year is -1,`},
		{logical("long", "timestamp-millis"), long(253402300800000), `the timestamp: the year is 10000`},
	} {
		p := program(t, x.schema, avro.Options{})
		if v, err := p.Decode(serde.NewTape(), []byte(x.data)); err != nil || !v.Exists() {
			t.Errorf("%s: %v", x.schema, err)
		}
		if _, err := both(t, p, []byte(x.data)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s of %x: got %v, want %s", x.schema, x.data, err, x.want)
		}
	}
}

// Texts of decimals are those of math/big.
func TestDecimals(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	for _, scale := range []int{0, 2, 40} {
		p := program(t, strings.NewReplacer("40", "4096", "\"scale\":2", "\"scale\":"+big.NewInt(int64(scale)).String()).Replace(decimal2), avro.Options{})
		for i := range 3000 {
			b := make([]byte, 1+random.IntN(40))
			for j := range b {
				b[j] = byte(random.Uint32())
			}
			if i%3 == 0 {
				copy(b, strings.Repeat(string([]byte{0, 0xFF}[i%2]), random.IntN(len(b))))
			}
			x := new(big.Int).SetBytes(b)
			if b[0] >= 0x80 {
				x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
			want := new(big.Rat).SetFrac(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
			if got, err := both(t, p, []byte(str(string(b)))); err != nil || got != want {
				t.Fatalf("%x: got %s %v, want %s", b, got, err, want)
			}
		}
	}
	p := program(t, strings.Replace(decimal2, "40", "4096", 1), avro.Options{})
	for _, long := range []string{"\x7F" + strings.Repeat("\xFF", 1700), "\x80" + strings.Repeat("\x00", 1700), "\xFF" + strings.Repeat("\x80", 1700)} {
		x := new(big.Int).SetBytes([]byte(long))
		if long[0] >= 0x80 {
			x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(long))))
		}
		text := x.String()
		if got, err := both(t, p, []byte(str(long))); err != nil || got != text[:len(text)-2]+"."+text[len(text)-2:] {
			t.Errorf("got %.100s %v", got, err)
		}
	}
}

// Numbers of few decimals take a shorter way to the same text.
func TestFloats(t *testing.T) {
	p := program(t, `"double"`, avro.Options{})
	random := rand.New(rand.NewPCG(6, 2))
	check := func(f float64) {
		if _, err := both(t, p, []byte(double(f))); err != nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			t.Fatal(f, err)
		}
	}
	for range 5_000 {
		n := float64(random.Int64N(1e15) - 5e14)
		for _, by := range []float64{1, 1e1, 1e3, 1e6, 1e7, 1e9, 1e12} {
			check(n / by)
			check(math.Nextafter(n/by, 0))
		}
		check(float64(random.IntN(1e6)) / 1e6)
		check(math.Float64frombits(random.Uint64()))
	}
	for _, f := range []float64{0, 1e-6, 2e-6, 0.999999e-6, 999999999.999999, 1e9, 999999999.9999995, 5e-7, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		check(f)
		check(-f)
	}
}

func TestNoAllocation(t *testing.T) {
	data := flatData()
	p := program(t, flatSchema, avro.Options{})
	tape, out := serde.NewTape(), make([]byte, 0, 4096)
	maps := program(t, `{"type":"map","values":["null","long"]}`, avro.Options{})
	entries := long(20)
	for i := range 20 {
		entries += str(strings.Repeat("k", i+1)) + long(1) + long(int64(i))
	}
	entries += long(0)
	texts := program(t, `{"type":"record","name":"R","fields":[{"name":"u","type":`+logical("string", "uuid")+`},{"name":"d","type":`+decimal2+
		`},{"name":"l","type":`+logical("long", "local-timestamp-micros")+`}]}`, avro.Options{})
	row := str("7F3c9a10-55e2-4c1b-9a7d-3e21aabbccdd") + str("\x04\xE2\x01\x01\x01\x01\x01\x01\x01\x01") + long(1)
	entry, fields := []byte(entries), []byte(row)
	for name, f := range map[string]func() error{
		"Decode":             func() error { _, err := p.Decode(tape, data); return err },
		"AppendJSON":         func() (err error) { out, err = p.AppendJSON(out[:0], data); return err },
		"Decode of a map":    func() error { _, err := maps.Decode(tape, entry); return err },
		"AppendJSON of text": func() (err error) { out, err = texts.AppendJSON(out[:0], fields); return err },
		"Decode of text":     func() error { _, err := texts.Decode(tape, fields); return err },
	} {
		n := testing.AllocsPerRun(100, func() {
			tape.Reset()
			if err := f(); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// What couldn't be decoded takes no memory of the tape, and leaves its values alone.
func TestFaultsLeaveNothing(t *testing.T) {
	p := program(t, recordOf(`{"name":"d","type":`+decimal2+`},{"name":"s","type":"string"}`), avro.Options{})
	good, bad := []byte(str("\x04\xE2")+str("s")), []byte(str("\x04\xE3")+str("\xFF"))
	tape := serde.NewTape()
	v, err := p.Decode(tape, good)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.Decode(tape, bad)
	before := tape.Bytes()
	for range 10_000 {
		if _, err := p.Decode(tape, bad); err == nil {
			t.Fatal("no error")
		}
	}
	if after := tape.Bytes(); after > before {
		t.Errorf("the tape grew from %d to %d bytes", before, after)
	}
	again, err := p.Decode(tape, good)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []serde.Value{v, again} {
		if text, err := v.AppendJSON(nil); err != nil || string(text) != `{"d":12.50,"s":"s"}` {
			t.Errorf("got %s %v", text, err)
		}
	}
}

// Keys are compared within their map only.
func TestKeys(t *testing.T) {
	p := program(t, `{"type":"array","items":{"type":"map","values":{"type":"map","values":"null"}}}`, avro.Options{})
	inner := func(from, n int) string {
		text := ""
		for i := range n {
			text += str(strings.Repeat("k", from+i))
		}
		return long(int64(n)) + text + long(0)
	}
	outer := func(n int, of string) string {
		text := long(int64(n))
		for i := range n {
			text += str(strings.Repeat("k", 1+i)) + of
		}
		return text + long(0)
	}
	good := long(3) + outer(20, inner(1, 20)) + outer(5, inner(1, 5)) + outer(20, inner(3, 30)) + long(0)
	for range 3 {
		if _, err := both(t, p, []byte(good)); err != nil {
			t.Error(err)
		}
		for _, n := range []int{2, 20} {
			repeated := strings.TrimSuffix(outer(n, long(0)), long(0))[len(long(int64(n))):]
			repeated = long(1) + long(int64(n+1)) + repeated + str("k") + long(0) + long(0) + long(0)
			_, err := both(t, p, []byte(repeated))
			if err == nil || !strings.Contains(err.Error(), `the map has the key "k" twice`) {
				t.Errorf("%d keys: %v", n, err)
			}
		}
	}
}
