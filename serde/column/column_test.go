package column_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

func compile(t testing.TB, c column.Column) *column.Set {
	t.Helper()
	if c.Name == "" {
		c.Name = "x"
	}
	s, err := column.Compile([]column.Column{c})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads text, borrowed or unpacked, as a column.
func read(t testing.TB, s *column.Set, text string, borrowed bool) (serde.Value, error) {
	t.Helper()
	tape, src := serde.NewTape(), []byte("at 3:"+text)
	row := s.Begin(tape, src, 1)
	if err := row.Text(0, src[5:], 5, borrowed); err != nil {
		return serde.Value{}, err
	}
	v, err := row.End(nil)
	return v.Field("x"), err
}

func show(v serde.Value, err error) string {
	if err != nil {
		return err.Error()
	}
	out, err := v.AppendJSON(nil)
	if err != nil {
		return "JSON: " + err.Error()
	}
	return v.Kind().String() + " " + string(out)
}

const wrong = "wrong" // the text isn't of the type

func TestTypes(t *testing.T) {
	for _, x := range []struct {
		column column.Column
		texts  map[string]string
	}{
		{column.Column{}, map[string]string{"": `string ""`, "Bakı": `string "Bakı"`}},
		{column.Column{Type: column.Int}, map[string]string{
			"0": "integer 0", "-7": "integer -7", "+7": "integer 7", "007": "integer 7", "-0": "integer 0",
			"9223372036854775807": "integer 9223372036854775807", "-9223372036854775808": "integer -9223372036854775808",
			"9223372036854775808": wrong, "-9223372036854775809": wrong, "18446744073709551616": wrong, "99999999999999999999": wrong,
			"": wrong, "-": wrong, "+": wrong, "1.0": wrong, "1e3": wrong, " 1": wrong, "1_0": wrong, "0x1": wrong, "--1": wrong, "１": wrong,
			strings.Repeat("0", 1025): wrong,
		}},
		{column.Column{Type: column.Float}, map[string]string{
			"1": "number 1", "0.1": "number 0.1", "-1e3": "number -1000", ".5": "number 0.5", "5.": "number 5", "+2.50": "number 2.5",
			"1e400": wrong, "NaN": wrong, "inf": wrong, "0x1p3": wrong, "1_000.0": wrong, "": wrong, "e": wrong, "1e": wrong,
		}},
		{column.Column{Type: column.Decimal}, map[string]string{
			"12.50": "decimal 12.50", "-0.10": "decimal -0.10", "+1": "decimal 1", "007.10": "decimal 7.10", "0": "decimal 0", "00": "decimal 0",
			".5": "decimal 0.5", "-.5": "decimal -0.5", "5.": "decimal 5", "9007199254740993.10": "decimal 9007199254740993.10",
			"1e5": "decimal 1e5", "1.5E-07": "decimal 1.5E-07", "00.5": "decimal 0.5",
			strings.Repeat("9", 100): "decimal " + strings.Repeat("9", 100),
			"":                       wrong, ".": wrong, "-": wrong, "1.2.3": wrong, "1,5": wrong, "1e": wrong, "1e+": wrong, "e5": wrong, "--1": wrong, "1 ": wrong, "NaN": wrong,
			strings.Repeat("9", 1025): wrong,
		}},
		{column.Column{Type: column.Bool}, map[string]string{
			"true": "bool true", "TRUE": "bool true", "t": "bool true", "Yes": "bool true", "y": "bool true", "1": "bool true",
			"false": "bool false", "F": "bool false", "no": "bool false", "N": "bool false", "0": "bool false",
			"": wrong, "2": wrong, "on": wrong, "truee": wrong, "tru": wrong, "\x14RUE": wrong, "falsely": wrong,
		}},
		{column.Column{Type: column.UUID}, map[string]string{
			"0e37df36-f698-11e6-8dd4-cb9ced3df976": `uuid "0e37df36-f698-11e6-8dd4-cb9ced3df976"`,
			"0E37DF36F69811E68DD4CB9CED3DF976":     `uuid "0e37df36-f698-11e6-8dd4-cb9ced3df976"`,
			"0e37df36-f698-11e6-8dd4-cb9ced3df97":  wrong, "0e37df36-f698-11e6-8dd4-cb9ced3df97g": wrong, "0e37df36f-698-11e6-8dd4-cb9ced3df976": wrong,
			"0e37df36f69811e68dd4cb9ced3df97": wrong, "0e37df36f69811e68dd4cb9ced3df9766": wrong, "": wrong,
		}},
		{column.Column{Type: column.Bytes}, map[string]string{"AP9h": `bytes "AP9h"`, "": `bytes ""`, "AP9": wrong, "AP-_": wrong, "é": wrong}},
		{column.Column{Type: column.Bytes, Format: "hex"}, map[string]string{
			"00ff61": `bytes "AP9h"`, `\x00FF61`: `bytes "AP9h"`, "0x00ff61": `bytes "AP9h"`, "": `bytes ""`, "0": wrong, "zz": wrong,
		}},
		{column.Column{Type: column.JSON}, map[string]string{
			`{"a":[1.50,null]}`: `object {"a":[1.50,null]}`, `12.50`: `number 12.50`, `null`: "null null", `"x"`: `string "x"`,
		}},
	} {
		s := compile(t, x.column)
		for text, want := range x.texts {
			if want == wrong {
				want = fmt.Sprintf("column 1 %q at byte 5: expected %s, found %s", "x", expects(x.column), column.Shape([]byte(text)))
			}
			for _, borrowed := range []bool{true, false} {
				v, err := read(t, s, text, borrowed)
				if got := show(v, err); got != want {
					t.Errorf("%s %q: got %s, want %s", x.column.Type, text, got, want)
				}
			}
		}
	}
}

func expects(c column.Column) string {
	if c.Type == column.Bytes {
		return "bytes in " + map[string]string{"": "base64", "hex": "hex"}[c.Format]
	}
	return string(c.Type)
}

func TestTimes(t *testing.T) {
	for _, x := range []struct {
		typ          column.Type
		format, zone string
		texts        map[string]string
	}{
		{column.Date, "", "", map[string]string{
			"2026-01-31": "2026-01-31", "2024-02-29": "2024-02-29", "0000-01-01": "0000-01-01", "9999-12-31": "9999-12-31",
			"2026-02-29": wrong, "1900-02-29": wrong, "2026-13-01": wrong, "2026-00-01": wrong, "2026-01-00": wrong, "2026-04-31": wrong,
			"2026-1-31": wrong, "2026-01-31T00:00:00Z": wrong, "20260131": wrong, "": wrong, "2026/01/31": wrong, "-026-01-31": wrong,
		}},
		{column.Date, "d.M.yyyy", "", map[string]string{"1.2.2026": "2026-02-01", "31.12.2026": "2026-12-31", "031.1.2026": wrong, "1.2.26": wrong, ".2.2026": wrong}},
		{column.Date, "yyyyMMdd", "", map[string]string{"20260131": "2026-01-31", "2026013": wrong, "202601311": wrong}},
		{column.Date, "dd-MMM-yy", "", map[string]string{"31-Jan-26": "2026-01-31", "31-JAN-26": "2026-01-31", "31-Jam-26": wrong, "31-J": wrong}},
		{column.Date, "epoch_days", "", map[string]string{"0": "1970-01-01", "-1": "1969-12-31", "20484": "2026-01-31", "2932896": "9999-12-31", "2932897": wrong, "1.5": wrong, "x": wrong}},
		{column.Time, "", "", map[string]string{
			"08:15:30": "08:15:30", "08:15:30.5": "08:15:30.5", "23:59:59.999999": "23:59:59.999999", "00:00:00.123456789": "00:00:00.123456789",
			"24:00:00": wrong, "08:60:00": wrong, "08:15:60": wrong, "08:15": wrong, "08:15:30Z": wrong, "8:15:30": wrong, "08:15:30.": wrong, "": wrong,
			"08:15:30.1234567890": "08:15:30.123456789", "08:15:30.1234567891": wrong,
		}},
		{column.Time, "hh:mm a", "", map[string]string{"12:00 AM": "00:00:00", "12:30 pm": "12:30:00", "01:05 PM": "13:05:00", "13:05 PM": wrong, "00:05 AM": wrong, "01:05": wrong, "01:05 XM": wrong}},
		{column.Timestamp, "", "", map[string]string{
			"2026-01-31T08:15:30Z": "2026-01-31T08:15:30Z", "2026-01-31 08:15:30": "2026-01-31T08:15:30Z", "2026-01-31t08:15:30.123z": "2026-01-31T08:15:30.123Z",
			"2026-01-31T08:15:30+01:00": "2026-01-31T07:15:30Z", "2026-01-31T08:15:30.5-0330": "2026-01-31T11:45:30.5Z", "2026-01-31T00:15:30+01": "2026-01-30T23:15:30Z",
			"2026-01-31T08:15:30.123456789Z": "2026-01-31T08:15:30.123456789Z", "2026-01-31T08:15:30.123456000Z": "2026-01-31T08:15:30.123456Z",
			"1969-12-31T23:59:59.5Z": "1969-12-31T23:59:59.5Z", "0000-01-01T00:00:00Z": "0000-01-01T00:00:00Z",
			"0000-01-01T00:00:00+01:00": wrong, "9999-12-31T23:59:59-01:00": wrong, "2026-01-31": wrong, "2026-01-31T08:15:30 Z": wrong,
			"2026-01-31T08:15:30+1": wrong, "2026-01-31T08:15:30+01:": wrong, "2026-01-31T08:15:30+01:0": wrong, "2026-01-31T08:15:30+24:00": wrong, "2026-01-31T08:15:30+01:60": wrong,
			"2026-01-31T08:15:30+01:xx": wrong, "2026-01-31T08:15:30Zx": wrong, "2026-01-31_08:15:30": wrong, "": wrong,
		}},
		{column.Timestamp, "", "Europe/Berlin", map[string]string{
			"2026-01-31 08:15:30": "2026-01-31T07:15:30Z", "2026-07-31 08:15:30": "2026-07-31T06:15:30Z", "2026-07-31 08:15:30Z": "2026-07-31T08:15:30Z", "0000-01-01 00:00:00": wrong,
		}},
		{column.Timestamp, "dd/MMM/yyyy:HH:mm:ss Z", "", map[string]string{"10/Oct/2000:13:55:36 -0700": "2000-10-10T20:55:36Z", "10/Oct/2000:13:55:36": wrong}},
		{column.Timestamp, "yyyy-MM-ddTHH:mm:ss.SSSXXX", "", map[string]string{"2026-01-31T08:15:30.125+01:00": "2026-01-31T07:15:30.125Z", "2026-01-31T08:15:30.12Z": wrong}},
		{column.Timestamp, "yyyy-MM-dd'T''x'''HH", "", map[string]string{"2026-01-31T'x'08": "2026-01-31T08:00:00Z"}},
		{column.Timestamp, "M/d/yyyy h:mm a", "America/New_York", map[string]string{"1/31/2026 8:15 PM": "2026-02-01T01:15:00Z"}},
		{column.Timestamp, "yyyyMMddHHmmssSSSSSSSSS", "", map[string]string{"20260131081530000000001": "2026-01-31T08:15:30.000000001Z"}},
		{column.Timestamp, "epoch_seconds", "", map[string]string{
			"0": "1970-01-01T00:00:00Z", "-1": "1969-12-31T23:59:59Z", "1769847330.5": "2026-01-31T08:15:30.5Z", "-0.5": "1969-12-31T23:59:59.5Z", "-1.25": "1969-12-31T23:59:58.75Z",
			"253402300799": "9999-12-31T23:59:59Z", "253402300800": wrong, "-62167219201": wrong, "1.": wrong, ".5": wrong, "1.0000000001": wrong, "1.0000000010": "1970-01-01T00:00:01.000000001Z",
			"1.x": wrong, "": wrong, "+1": wrong, "1e9": wrong, "9223372036854775807": wrong,
		}},
		{column.Timestamp, "epoch_millis", "", map[string]string{"1769847330500": "2026-01-31T08:15:30.5Z", "-1": "1969-12-31T23:59:59.999Z", "0.5": "1970-01-01T00:00:00.0005Z", "9223372036854775807": wrong}},
		{column.Timestamp, "epoch_micros", "", map[string]string{"1769847330500001": "2026-01-31T08:15:30.500001Z", "0.0005": wrong}},
		{column.Timestamp, "epoch_nanos", "", map[string]string{"1769847330500001000": "2026-01-31T08:15:30.500001Z", "1": "1970-01-01T00:00:00.000000001Z", "-1": "1969-12-31T23:59:59.999999999Z", "1.5": wrong}},
	} {
		s := compile(t, column.Column{Type: x.typ, Format: x.format, Zone: x.zone})
		for text, want := range x.texts {
			v, err := read(t, s, text, true)
			got := wrong
			switch {
			case err == nil:
				out, err := v.AppendText(nil)
				if got = string(out); err != nil {
					got = err.Error()
				}
			case !strings.Contains(err.Error(), "expected "+string(x.typ)+" ("):
				t.Errorf("%q: %v", text, err)
			}
			if got != want {
				t.Errorf("%s %s %q: got %s (%v), want %s", x.typ, x.format, text, got, err, want)
			}
		}
	}
}

// Every day of two centuries, and some of 10,000 years, are the days that the standard library says.
func TestDays(t *testing.T) {
	s := compile(t, column.Column{Type: column.Date})
	day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	for ; day.Year() < 10_000; day = day.AddDate(0, 0, 1) {
		if day.Year() < 1890 || day.Year() > 2110 {
			day = day.AddDate(0, 0, 88)
			if day.Year() == 10_000 {
				break
			}
		}
		v, err := read(t, s, day.Format(time.DateOnly), true)
		if got, ok := v.Time(); err != nil || !ok || !got.Equal(day) {
			t.Fatalf("%v: %v %v", day, got, err)
		}
	}
}

// Random moments are read from patterns as the standard library reads them from its layouts.
func TestPatternOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for pattern, layout := range map[string]string{
		"yyyy-MM-dd HH:mm:ss.SSS XXX": "2006-01-02 15:04:05.000 Z07:00",
		"d.M.yy H:m:s":                "2.1.06 15:4:5",
		"dd MMM yyyy hh:mm:ss a Z":    "02 Jan 2006 03:04:05 PM -0700",
		"yyyyMMddHHmmss":              "20060102150405",
	} {
		s := compile(t, column.Column{Type: column.Timestamp, Format: pattern})
		for range 20_000 {
			zone := time.FixedZone("", 60*(random.IntN(28*60)-14*60))
			text := time.UnixMilli(946_684_800_000 + random.Int64N(2_145_000_000_000)).In(zone).Format(layout) // from 2000 to 2067
			if random.IntN(3) == 0 {
				b := []byte(text)
				b[random.IntN(len(b))] = "0123456789 :.+-ZaPJ"[random.IntN(19)]
				text = string(b)
			}
			want, wantErr := time.Parse(layout, text)
			v, err := read(t, s, text, true)
			got, _ := v.Time()
			if wantErr == nil && (err != nil || !got.Equal(want)) {
				// The standard library takes two-digit years from 69 for those of the last century, and offsets of a day.
				_, offset := want.Zone()
				if want.Year() >= 2000 && offset > -86400 && offset < 86400 && !loose(layout, text, want) {
					t.Fatalf("%s %q: got %v (%v), want %v", pattern, text, got, err, want)
				}
			}
			if wantErr != nil && err == nil && !strings.Contains(wantErr.Error(), "out of range") && !loose(layout, text, got) {
				t.Fatalf("%s %q: got %v, the standard library says %v", pattern, text, got, wantErr)
			}
		}
	}
}

// loose reports whether text isn't how a moment is written, though it may be read.
func loose(layout, text string, m time.Time) bool {
	return !strings.EqualFold(m.Format(layout), text)
}

// JSON documents keep their numbers, and don't give what is made next the schema of their record.
func TestDocuments(t *testing.T) {
	s, err := column.Compile([]column.Column{{Name: "a", Type: column.JSON}, {Name: "b", Type: column.Int}, {Name: "c", Type: column.JSON}})
	if err != nil {
		t.Fatal(err)
	}
	tape, schema, src := serde.NewTape(), &serde.Schema{Name: "s"}, []byte(`{"x":1.50}7[9007199254740993]`)
	row := s.Begin(tape, src, 3)
	for i, span := range [][2]int{{0, 10}, {10, 11}, {11, len(src)}} {
		if err := row.Text(i, src[span[0]:span[1]], span[0], true); err != nil {
			t.Fatal(err)
		}
	}
	v, err := row.End(schema)
	if got, want := show(v, err), `object {"a":{"x":1.50},"b":7,"c":[9007199254740993]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v.Schema() != schema || tape.Int64(1).Schema() != nil {
		t.Errorf("the schema of the value is %v, of the next %v", v.Schema(), tape.Int64(1).Schema())
	}
	row = s.Begin(tape, []byte("[1,}"), 3)
	if err := row.Text(0, []byte("[1,}"), 0, true); err != nil {
		t.Fatal(err)
	}
	row.Null(1)
	row.Null(2)
	if _, err := row.End(schema); err == nil || !strings.HasPrefix(err.Error(), `column 1 "a" at byte 0: expected json, found "[9,}": invalid JSON at byte 3: expected a value, found '}'`) {
		t.Errorf("got %v", err)
	}
	deep := compile(t, column.Column{Type: column.JSON})
	if v, err := read(t, deep, strings.Repeat("[", 65)+strings.Repeat("]", 65), true); err == nil || !strings.Contains(err.Error(), "64 deep") {
		t.Errorf("got %s", show(v, err))
	}
}

func TestCompile(t *testing.T) {
	for want, c := range map[string]column.Column{
		`column "": the name is empty`:                                     {Name: ""},
		`column "a": type is "number", expected one of string, int, float`: {Name: "a", Type: "number"},
		`zone is for timestamps; this is date`:                             {Name: "a", Type: column.Date, Zone: "UTC"},
		`zone "Berlin" isn't known; it is written as UTC or Europe/Berlin`: {Name: "a", Type: column.Timestamp, Zone: "Berlin"},
		`zone "Local" isn't known`:                                         {Name: "a", Type: column.Timestamp, Zone: "Local"},
		`format is for date, time, timestamp and bytes; this is int`:       {Name: "a", Type: column.Int, Format: "x"},
		`format of bytes is "raw", expected base64 or hex`:                 {Name: "a", Type: column.Bytes, Format: "raw"},
		`format epoch_days is for date; this is timestamp`:                 {Name: "a", Type: column.Timestamp, Format: "epoch_days"},
		`format epoch_millis is for timestamp; this is date`:               {Name: "a", Type: column.Date, Format: "epoch_millis"},
		`format "epoch_weeks": "e" means nothing here: a pattern has`:      {Name: "a", Type: column.Timestamp, Format: "epoch_weeks"},
		`format "YYYY-MM-dd": the letter Y is the year`:                    {Name: "a", Type: column.Date, Format: "YYYY-MM-dd"},
		`format "yyyy-MM-DD": the letter D is the day of the year`:         {Name: "a", Type: column.Date, Format: "yyyy-MM-DD"},
		`format "yyy-MM-dd": "yyy" means nothing here`:                     {Name: "a", Type: column.Date, Format: "yyy-MM-dd"},
		`format "yyyy-MM": a date needs a year, a month and a day`:         {Name: "a", Type: column.Date, Format: "yyyy-MM"},
		`format "yyyy-MM-dd HH": a date has no time of day`:                {Name: "a", Type: column.Date, Format: "yyyy-MM-dd HH"},
		`format "dd HH": a time of day has no date`:                        {Name: "a", Type: column.Time, Format: "dd HH"},
		`format "mm:ss": a time needs an hour`:                             {Name: "a", Type: column.Time, Format: "mm:ss"},
		`format "hh:mm": hh counts to 12 and needs a`:                      {Name: "a", Type: column.Time, Format: "hh:mm"},
		`format "HH:HH": the letter H is there twice`:                      {Name: "a", Type: column.Time, Format: "HH:HH"},
		`format "HH'": a quote isn't closed`:                               {Name: "a", Type: column.Time, Format: "HH'"},
		`has 65536 bytes; at most 65535 are possible`:                      {Name: strings.Repeat("a", 65536)},
	} {
		if _, err := column.Compile([]column.Column{c}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40v: got %v, want %s", c, err, want)
		}
	}
	many := make([]column.Column, 10_001)
	for i := range many {
		many[i].Name = strconv.Itoa(i)
	}
	if _, err := column.Compile(many); err == nil {
		t.Error("10,001 columns are compiled")
	}
	if _, err := column.Compile(many[:10_000]); err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	s, err := column.Compile([]column.Column{{Name: "a"}, {Name: "b", Type: column.Timestamp, Format: "epoch_millis"}, {Name: "c", Type: column.Timestamp, Zone: "UTC"}})
	if err != nil {
		t.Fatal(err)
	}
	var back []column.Column
	if err := json.Unmarshal([]byte(s.Text()), &back); err != nil || len(back) != 3 || back[0].Type != column.String || back[2].Zone != "UTC" {
		t.Errorf("%s: %v %v", s.Text(), back, err)
	}
}

// Errors are logged: they show what a text looks like, and not what it says.
func TestShapeTellsNothing(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `""`,
		"31/Feb/2026 08:15":     `"99/xxx/9999 99:99"`,
		"secret-é中42\n":         `"xxxxxx-xx99\n"`,
		strings.Repeat("7", 80): `"` + strings.Repeat("9", 80) + `"`,
		strings.Repeat("中", 81): `"` + strings.Repeat("x", 80) + `"...`,
		"\xff\xfe":              `"xx"`,
	} {
		if got := column.Shape([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
