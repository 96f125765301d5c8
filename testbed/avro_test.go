//go:build testbed

package testbed

import (
	"strings"
	"testing"
)

// Java says which schemas fit. Of pairs that don't, it says why.
func TestAvroCompatible(t *testing.T) {
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	cases := []struct {
		AvroPair
		why string
	}{
		{AvroPair{`"int"`, `"long"`}, ""},
		{AvroPair{`"long"`, `"int"`}, "TYPE_MISMATCH"},
		{AvroPair{record(""), record(`{"name":"a","type":"int","default":1}`)}, ""},
		{AvroPair{record(""), record(`{"name":"a","type":"int"}`)}, "READER_FIELD_MISSING_DEFAULT_VALUE"},
		{AvroPair{`{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A"]}`}, "MISSING_ENUM_SYMBOLS"},
		{AvroPair{`"null"`, `["null","string"]`}, ""},
		{AvroPair{`["null","string"]`, `"string"`}, "TYPE_MISMATCH"},
	}
	var pairs []AvroPair
	for _, c := range cases {
		pairs = append(pairs, c.AvroPair)
	}
	whys, err := AvroCompatible(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if (whys[i] == "") != (c.why == "") || !strings.Contains(whys[i], c.why) {
			t.Errorf("%s read as %s: %q, want %q", c.Writer, c.Reader, whys[i], c.why)
		}
	}
}

// Java reads with the reader's schema, or says what is wrong.
func TestAvroResolve(t *testing.T) {
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	cases := []struct {
		AvroItem
		json, err string
	}{
		{AvroItem{AvroPair{`"int"`, `"double"`}, []byte{4}}, `2`, ""},
		{AvroItem{AvroPair{`"null"`, `"null"`}, nil}, `null`, ""},
		{AvroItem{AvroPair{record(`{"name":"a","type":"int"},{"name":"gone","type":"string"}`),
			record(`{"name":"b","aliases":["a"],"type":"long"},{"name":"c","type":["null","string"],"default":null}`)}, []byte{3, 2, 'x'}}, `{"b":-2,"c":null}`, ""},
		{AvroItem{AvroPair{`{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A"],"default":"A"}`}, []byte{2}}, `"A"`, ""},
		{AvroItem{AvroPair{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`},
			[]byte{4, 4, 0xE2}}, `12.50`, ""},
		{AvroItem{AvroPair{`{"type":"long","logicalType":"timestamp-micros"}`, `{"type":"long","logicalType":"timestamp-micros"}`}, []byte{1}}, `"1969-12-31T23:59:59.999999Z"`, ""},
		{AvroItem{AvroPair{`"long"`, `"int"`}, []byte{2}}, "", "AvroTypeException"},
		{AvroItem{AvroPair{`"string"`, `"string"`}, []byte{8, 'x'}}, "", "EOFException"},
		{AvroItem{AvroPair{`"int"`, `"int"`}, []byte{2, 2}}, "", "bytes behind the value"},
		{AvroItem{AvroPair{`"nobody"`, `"int"`}, []byte{2}}, "", "SchemaParseException"},
	}
	var items []AvroItem
	for _, c := range cases {
		items = append(items, c.AvroItem)
	}
	read, err := AvroResolve(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if read[i].JSON != c.json || (read[i].Err == "") != (c.err == "") || !strings.Contains(read[i].Err, c.err) {
			t.Errorf("%s read as %s: %+v, want %s%s", c.Writer, c.Reader, read[i], c.json, c.err)
		}
	}
	if none, err := AvroResolve(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no questions, answers %v, %v", none, err)
	}
	if _, err := AvroCompatible(t.Context(), []AvroPair{{`"nobody"`, `"int"`}}); err == nil || !strings.Contains(err.Error(), "SchemaParseException") {
		t.Errorf("error %v", err)
	}
}
