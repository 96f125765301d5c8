package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// schemaFiles are what the tests of schema check compare. Avro's user2 adds a field with a default, user3 one without.
var schemaFiles = map[string]string{
	"user1.avsc": `{"type":"record","name":"User","fields":[{"name":"id","type":"long"}]}`,
	"user2.avsc": `{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"age","type":"int","default":0}]}`,
	"user3.avsc": `{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"age","type":"int"}]}`,
	"text.avsc":  `{"type":"record","name":"User","fields":[{"name":"id","type":"string"}]}`,
	"bad.avsc":   `{"type":"record","name":"User"`,
	"point.avsc": `{"type":"record","name":"Point","namespace":"geo","fields":[{"name":"lat","type":"double"}]}`,
	"car1.avsc":  `{"type":"record","name":"Car","fields":[{"name":"at","type":"geo.Point"}]}`,
	"car2.avsc":  `{"type":"record","name":"Car","fields":[{"name":"at","type":["null","geo.Point"]}]}`,

	"open.json":   `{"type":"object"}`,
	"id.json":     `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}`,
	"at1.json":    `{"type":"object","properties":{"at":{"$ref":"point.json"}}}`,
	"at2.json":    `{"type":"object","properties":{"at":{"$ref":"point.json"},"n":{}}}`,
	"point.json":  `{"type":"object","properties":{"lat":{"type":"number"}}}`,
	"car1.proto":  "syntax = \"proto3\";\nmessage Car { int64 id = 1; }\n",
	"car2.proto":  "syntax = \"proto3\";\nmessage Car { int64 id = 1; string name = 2; }\n",
	"car3.proto":  "syntax = \"proto3\";\nmessage Car { string id = 1; }\n",
	"point.proto": "syntax = \"proto3\";\npackage geo;\nmessage Point { double lat = 1; }\n",
	"trip1.proto": "syntax = \"proto3\";\nimport \"geo/point.proto\";\nmessage Trip { geo.Point from = 1; }\n",
	"trip2.proto": "syntax = \"proto3\";\nimport \"geo/point.proto\";\nmessage Trip { geo.Point from = 1; geo.Point to = 2; }\n",
	"notes.txt":   "no schema",
}

// inSchemas changes into a folder with schemaFiles.
func inSchemas(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range schemaFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestSchemaCheck(t *testing.T) {
	inSchemas(t)
	const refs = " --ref geo.Point=point.avsc"
	for _, test := range []struct {
		args string
		code int
		out  string // all of it
		errs string // a part
	}{
		// The level is backward unless it is said, and that of the last file.
		{"user2.avsc user1.avsc", exitDone, "user2.avsc can read what is written by user1.avsc\n", ""},
		{"user3.avsc user1.avsc", exitFailed, "user3.avsc can't read what is written by user1.avsc\n  ...\n", "user3.avsc is not backward compatible"},
		{"user3.avsc user1.avsc user2.avsc", exitDone, "user3.avsc can read what is written by user2.avsc\n", ""},
		{"--level backward_transitive user3.avsc user1.avsc user2.avsc", exitFailed,
			"user3.avsc can't read what is written by user1.avsc\n  ...\nuser3.avsc can read what is written by user2.avsc\n", "is not backward transitive compatible"},
		{"--level BACKWARD_ALL user3.avsc user1.avsc user2.avsc", exitFailed,
			"user3.avsc can't read what is written by user1.avsc\n  ...\nuser3.avsc can read what is written by user2.avsc\n", "is not backward transitive compatible"},
		{"--level forward user1.avsc user3.avsc", exitFailed, "user3.avsc can't read what is written by user1.avsc\n  ...\n", "is not forward compatible"},
		{"--level forward user3.avsc user1.avsc", exitDone, "user1.avsc can read what is written by user3.avsc\n", ""},
		{"--level forward user1.avsc user3.avsc user2.avsc", exitDone, "user2.avsc can read what is written by user1.avsc\n", ""},
		{"--level FORWARD_ALL user1.avsc user3.avsc user2.avsc", exitFailed,
			"user3.avsc can't read what is written by user1.avsc\n  ...\nuser2.avsc can read what is written by user1.avsc\n", "is not forward transitive compatible"},
		{"--level full user2.avsc user3.avsc user1.avsc", exitDone, "user2.avsc can read what is written by user1.avsc\nuser1.avsc can read what is written by user2.avsc\n", ""},
		{"--level Full user1.avsc user3.avsc", exitFailed,
			"user1.avsc can read what is written by user3.avsc\nuser3.avsc can't read what is written by user1.avsc\n  ...\n", "user1.avsc is not full compatible"},
		{"--level full_transitive user2.avsc text.avsc user1.avsc", exitFailed,
			"user2.avsc can't read what is written by text.avsc\n  ...\ntext.avsc can't read what is written by user2.avsc\n  ...\n" +
				"user2.avsc can read what is written by user1.avsc\nuser1.avsc can read what is written by user2.avsc\n", "is not full transitive compatible"},
		{"--level full_all user2.avsc user1.avsc", exitDone, "user2.avsc can read what is written by user1.avsc\nuser1.avsc can read what is written by user2.avsc\n", ""},
		{"--level none user1.avsc", exitDone, "user1.avsc is a schema; nothing was compared (none)\n", ""},
		{"--level none user1.avsc text.avsc", exitDone, "user1.avsc is a schema; nothing was compared (none)\n", ""},

		// The other formats.
		{"id.json id.json --level full", exitDone, "id.json can read what is written by id.json\nid.json can read what is written by id.json\n", ""},
		{"id.json open.json", exitFailed, "id.json can't read what is written by open.json\n  ...\n", "id.json is not backward compatible"},
		{"open.json id.json", exitDone, "open.json can read what is written by id.json\n", ""},
		{"car2.proto car1.proto --level full", exitDone, "car2.proto can read what is written by car1.proto\ncar1.proto can read what is written by car2.proto\n", ""},
		{"car3.proto car1.proto", exitFailed, "car3.proto can't read what is written by car1.proto\n  ...\n", "car3.proto is not backward compatible"},

		// Schemas that others use.
		{"car2.avsc car1.avsc" + refs, exitDone, "car2.avsc can read what is written by car1.avsc\n", ""},
		{"car1.avsc car2.avsc" + refs, exitFailed, "car1.avsc can't read what is written by car2.avsc\n  ...\n", "is not backward compatible"},
		{"car2.avsc car1.avsc", exitUsage, "", "car2.avsc: avro: "},
		{"trip2.proto trip1.proto --ref geo/point.proto=point.proto", exitDone, "trip2.proto can read what is written by trip1.proto\n", ""},
		{"trip2.proto trip1.proto", exitUsage, "", "trip2.proto: "},
		{"at1.json at2.json --ref point.json=point.json", exitDone, "at1.json can read what is written by at2.json\n", ""},
		{"at1.json at2.json", exitUsage, "", "at1.json: "},

		// What can't be compared.
		{"", exitUsage, "", "requires at least 1 arg"},
		{"user1.avsc", exitUsage, "", "name the earlier versions behind the new one, or use --level none"},
		{"user1.avsc none.avsc", exitUsage, "", "open none.avsc: no such file or directory"},
		{"user1.avsc bad.avsc", exitUsage, "", "bad.avsc: avro: "},
		{"--level none bad.avsc", exitUsage, "", "bad.avsc: avro: "},
		{"user1.avsc id.json", exitUsage, "", "user1.avsc and id.json are of different formats"},
		{"car1.proto notes.txt", exitUsage, "", "car1.proto and notes.txt are of different formats"},
		{"notes.txt user1.avsc", exitUsage, "", `notes.txt: a schema's file ends with .avsc (Avro), .json (JSON Schema) or .proto, not ".txt"`},
		{"user1.avsc user1.avsc --level backwards", exitUsage, "", `--level is "backwards"; it is one of none, backward, backward_transitive, `},
		{"user1.avsc user1.avsc --level none_all", exitUsage, "", `--level is "none_all"`},
		{"user1.avsc user1.avsc --ref point.avsc", exitUsage, "", `--ref is "point.avsc"; it is NAME=FILE`},
		{"user1.avsc user1.avsc --ref geo.Point=none.avsc", exitUsage, "", "open none.avsc: no such file or directory"},
	} {
		t.Run(test.args, func(t *testing.T) {
			code, out, errs := millrace(t, plugins(), "", append([]string{"schema", "check"}, strings.Fields(test.args)...)...)
			if got := withoutProblems(out); code != test.code || got != test.out || !strings.Contains(errs, test.errs) || (errs == "") != (test.errs == "") {
				t.Errorf("exit code %d, want %d\n%s\n%s", code, test.code, out, errs)
			}
		})
	}
}

// withoutProblems puts one line "  ..." in place of the problems of a comparison.
func withoutProblems(out string) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(out) {
		problem := strings.HasPrefix(line, "  ")
		switch {
		case !problem:
			b.WriteString(line)
		case !inside:
			b.WriteString("  ...\n")
		}
		inside = problem
	}
	return b.String()
}

func TestSchemaCheckNames(t *testing.T) {
	inSchemas(t)
	for args, want := range map[string]string{
		"user3.avsc user1.avsc": `  field "age": `,
		"text.avsc user1.avsc":  `  field "id": long can't be read as string`,
		"car3.proto car1.proto": "  field Car.id (1) is string, and int64 for the writer\n",
		"id.json open.json":     "id",
	} {
		if _, out, _ := millrace(t, plugins(), "", append([]string{"schema", "check"}, strings.Fields(args)...)...); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%s", args, want, out)
		}
	}
}

func TestSchemaCheckJSON(t *testing.T) {
	inSchemas(t)
	for args, want := range map[string]string{
		"--level FULL_ALL text.avsc user1.avsc": `{"comparisons":[` +
			`{"reader":"text.avsc","writer":"user1.avsc","compatible":false,"problems":["field \"id\": long can't be read as string"]},` +
			`{"reader":"user1.avsc","writer":"text.avsc","compatible":false,"problems":["field \"id\": string can't be read as long"]}],` +
			`"compatible":false,"level":"full_transitive"}`,
		"user2.avsc user1.avsc":   `{"comparisons":[{"reader":"user2.avsc","writer":"user1.avsc","compatible":true}],"compatible":true,"level":"backward"}`,
		"--level none user1.avsc": `{"comparisons":[],"compatible":true,"level":"none"}`,
	} {
		code, out, errs := millrace(t, plugins(), "", append([]string{"schema", "check", "--json"}, strings.Fields(args)...)...)
		if out != want+"\n" || (code == exitDone) != strings.Contains(want, `"compatible":true,"level"`) {
			t.Errorf("%s: exit code %d\n%s\n%s", args, code, out, errs)
		}
	}
}
