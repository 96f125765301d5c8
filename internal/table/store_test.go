package table

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMarshal(t *testing.T) {
	s := &Schema{Name: "orders", ID: "a-1", Version: 3, Rest: "_rest", Fields: columns(t,
		`id int64, price? decimal(10,2) =0 ~cost ~old, tags list(e? string), at local_timestamp_micros, m map(v fixed(4)), pos struct(lat float64)`)}
	s.Fields[0].Doc = "says \"who\""
	const want = `{"millrace_columns":1,"name":"orders","id":"a-1","version":3,"rest":"_rest","columns":[
{"name":"id","type":"int64","doc":"says \"who\""},
{"name":"price","aliases":["cost","old"],"type":"decimal","precision":10,"scale":2,"nullable":true,"default":0},
{"name":"tags","type":"list","element":{"type":"string","nullable":true}},
{"name":"at","type":"timestamp_micros","local":true},
{"name":"m","type":"map","values":{"type":"fixed","size":4}},
{"name":"pos","type":"struct","fields":[{"name":"lat","type":"float64"}]}]}
`
	data, err := Marshal(s)
	if err != nil || string(data) != want {
		t.Fatalf("%v\n%s", err, data)
	}
	back, err := Unmarshal(data)
	if err != nil || !back.Equal(s) || back.Name != s.Name || back.ID != s.ID || back.Version != 3 || back.Fields[0].Doc != s.Fields[0].Doc {
		t.Errorf("%v %v", back, err)
	}
	if data, err = Marshal(&Schema{}); err != nil || string(data) != `{"millrace_columns":1,"columns":[]}`+"\n" {
		t.Errorf("%s %v", data, err)
	}
}

func TestMarshalRefuses(t *testing.T) {
	deep := Type{Kind: Int32}
	for range 70 {
		elem := deep
		deep = Type{Kind: List, Elem: &elem}
	}
	for want, s := range map[string]*Schema{
		"no schema":                nil,
		"no name":                  {Fields: []Field{{}}},
		"two of this name":         {Fields: columns(t, "a int32, a string")},
		"column p.x: there are":    {Fields: columns(t, "p struct(x int32, x string)")},
		"isn't UTF-8":              {Fields: []Field{{Name: "\xff"}}},
		"text isn't UTF-8":         {Fields: []Field{{Name: "a", Doc: "\xff"}}},
		"default":                  {Fields: []Field{{Name: "a", Default: []byte("{")}}},
		"type is unknown":          {Fields: []Field{{Name: "a", Type: Type{Kind: 99}}}},
		"1 to 76 digits":           {Fields: columns(t, "a decimal(77,0)")},
		"can't have precision":     {Fields: []Field{{Name: "a", Type: Type{Kind: Int32, Precision: 3}}}},
		"a fixed has 1 to":         {Fields: []Field{{Name: "a", Type: Type{Kind: Fixed}}}},
		"can't have a size":        {Fields: []Field{{Name: "a", Type: Type{Kind: Bytes, Size: 1}}}},
		"type of elements":         {Fields: []Field{{Name: "a", Type: Type{Kind: List}}}},
		"can't have fields":        {Fields: []Field{{Name: "a", Type: Type{Kind: JSON, Fields: make([]Field, 1)}}}},
		"can't be local":           {Fields: []Field{{Name: "a", Type: Type{Kind: Date, Local: true}}}},
		"more than 64 deep":        {Fields: []Field{{Name: "a", Type: deep}}},
		"column r: there are two ": {Fields: columns(t, "r json"), Rest: "r"},
		"more than 10000 columns":  {Fields: make10001()},
		"version is -1":            {Version: -1},
		"at most 65535":            {Fields: []Field{{Name: strings.Repeat("x", 65536)}}},
		"aliases, at most 1000":    {Fields: []Field{{Name: "a", Aliases: make([]string, 1001)}}},
	} {
		if data, err := Marshal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %.200s, %v", want, data, err)
		}
	}
}

func make10001() []Field {
	elem := Type{Kind: Int32}
	var fields []Field
	for i := range 5001 { // each counts twice
		fields = append(fields, Field{Name: strings.Repeat("x", i+1)[:min(i+1, 3)] + string(rune(0x1000+i)), Type: Type{Kind: List, Elem: &elem}})
	}
	return fields
}

func TestUnmarshalRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                              "stored columns",
		`[]`:                            "not array",
		`{"columns":[]}`:                "isn't 1",
		`{"millrace_columns":2}`:        "isn't 1",
		`{"millrace_columns":1}`:        "no list",
		`{"millrace_columns":1,"x":1}`:  `"x" isn't known`,
		`{"millrace_columns":1,"id":1}`: `"id" is a text, not integer`,
		`{"millrace_columns":1,"columns":[],"columns":[]}`:                                                                            "twice",
		`{"millrace_columns":1,"columns":[],"version":-1}`:                                                                            `"version" is a whole number`,
		`{"millrace_columns":1,"columns":[1]}`:                                                                                        "a type is an object",
		`{"millrace_columns":1,"columns":{}}`:                                                                                         "lists, not object",
		`{"millrace_columns":1,"columns":[{"type":"int32"}]}`:                                                                         "no name",
		`{"millrace_columns":1,"columns":[{"name":"a"}]}`:                                                                             "column a: \"type\" is a text, not missing",
		`{"millrace_columns":1,"columns":[{"name":"a","type":"int"}]}`:                                                                `the type "int" isn't known`,
		`{"millrace_columns":1,"columns":[{"name":"a","type":"int32","nulable":true}]}`:                                               `column a: the member "nulable"`,
		`{"millrace_columns":1,"columns":[{"name":"a","type":"int32","nullable":1}]}`:                                                 "true or false, not integer",
		`{"millrace_columns":1,"columns":[{"name":"a","type":"decimal","precision":77,"scale":0}]}`:                                   "at most 76",
		`{"millrace_columns":1,"columns":[{"name":"a","type":"decimal"}]}`:                                                            "1 to 76 digits",
		`{"millrace_columns":1,"columns":[{"name":"a","type":"list","values":{"type":"int32"}}]}`:                                     `"values" doesn't belong to a list`,
		`{"millrace_columns":1,"columns":[{"name":"a","type":"list","element":{"type":"int32","name":"b"}}]}`:                         `an element has no "name"`,
		`{"millrace_columns":1,"columns":[{"name":"a","type":"struct","fields":[{"name":"b","type":"x"}]}]}`:                          "column a: column b: the type",
		`{"millrace_columns":1,"columns":[{"name":"a","type":"int32","aliases":"b"}]}`:                                                `"aliases" is a list`,
		`{"millrace_columns":1,"columns":[{"name":"a","type":"fixed","size":99999999}]}`:                                              "at most 16777216",
		`{"millrace_columns":1,"columns":[` + strings.Repeat(`{"name":"a","type":"int32"},`, 10000) + `{"name":"b","type":"int32"}]}`: "more than 10000 columns",
	} {
		if s, err := Unmarshal([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, %v, want %s", text, s, err, want)
		}
	}
	if _, err := Unmarshal(make([]byte, maxStored+1)); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

func TestStoredFormIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range history(t) {
			data := snapshot(t, s)
			back, err := Unmarshal([]byte(data))
			if err != nil || !back.Equal(s) || snapshot(t, back) != data {
				t.Fatalf("%v\n%s", err, data)
			}
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"millrace_columns":1,"name":"n","rest":"_rest","columns":[{"name":"a","aliases":["b"],"type":"decimal","precision":5,"scale":2,"default":1.5}]}`))
	f.Add([]byte(`{"millrace_columns":1,"columns":[{"name":"a","type":"map","values":{"type":"struct","fields":[{"name":"x","type":"fixed","size":3}]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Unmarshal(data)
		if err != nil {
			return
		}
		text, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(text)
		if err != nil || !back.Equal(s) {
			t.Fatalf("%v\n%s", err, text)
		}
		again, err := Marshal(back)
		if err != nil || !bytes.Equal(text, again) {
			t.Fatalf("%v\n%s\n%s", err, text, again)
		}
		_, _ = s.Avro()
		if m, err := Merge(s, back, Backward); err != nil || canonical(m.Fields) == "" && len(s.Fields) > 0 {
			t.Fatal(err)
		}
	})
}
