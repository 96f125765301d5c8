package origin

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/table"
)

func TestFile(t *testing.T) {
	stored, err := table.Marshal(&table.Schema{Name: "kept", Fields: []table.Field{{Name: "a", Type: table.Type{Kind: table.Int64}}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ content, message, want string }{
		"avro":           {"\uFEFF \n" + `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, "", "a int32"},
		"avro union":     {`["null",{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}]`, "", "a int32"},
		"json schema":    {`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"type":"integer"}}}`, "", "a int64?"},
		"all of":         {`{"allOf":[{"properties":{"a":{"type":"integer"}}}]}`, "", "a int64?"},
		"proto":          {`syntax = "proto3"; message M { int32 a = 1; }`, "", "a int32=0"},
		"proto, comment": {"// M\n" + `syntax = "proto3"; message M { int32 a = 1; }`, "M", "a int32=0"},
		"proto, several": {everyProto, "x.Other", `id string=""`},
		"stored":         {string(stored), "", "a int64"},
	} {
		s, err := File(c.content, c.message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := shownFields(s.Fields); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestFileErrors(t *testing.T) {
	for name, c := range map[string]struct{ content, message, want string }{
		"empty":          {" \n", "", "empty"},
		"json":           {`{"a":1}`, "", "neither"},
		"broken json":    {`{"a":`, "", "begins like JSON"},
		"avro type":      {`"string"`, "", "rows need columns"},
		"message":        {`{"properties":{"a":{"type":"integer"}}}`, "x.M", "isn't a .proto file"},
		"no message":     {everyProto, "", "several messages"},
		"nothing known":  {"hello there", "", "parse the schema"},
		"no columns":     {`{"millrace_columns":1,"columns":[]}`, "", "no columns"},
		"broken columns": {`{"columns":5}`, "", ""},
	} {
		if s, err := File(c.content, c.message); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
