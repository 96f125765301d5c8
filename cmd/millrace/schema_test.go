//go:build !no_glue && !no_confluent

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A schemaCase is a command line of millrace schema.
type schemaCase struct {
	name      string
	args      []string
	code      int
	out, errs string // out is all of it, errs a part
}

func (s schemaCase) run(t *testing.T) {
	t.Helper()
	code, out, errs := millrace(t, plugins(), "", append([]string{"schema"}, s.args...)...)
	if code != s.code || out != s.out || !strings.Contains(errs, s.errs) {
		t.Errorf("%s: exit code %d, want %d\n%s\n%s", s.name, code, s.code, out, errs)
	}
	if strings.Contains(errs, "SECRETEXAMPLE") {
		t.Errorf("%s: the secret key is in %s", s.name, errs)
	}
}

func TestSchemaShow(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	inGlue := func(id string, more ...string) []string {
		return slices.Concat([]string{"show"}, g.flags(), more, []string{id})
	}
	inConfluent := func(id string, more ...string) []string {
		return slices.Concat([]string{"show", "--url", c.server.URL}, more, []string{id})
	}
	ofGlue, ofConfluent := decodingFile(t, "localhost:1", c.decoder(""), g.decoder("")), decodingFile(t, "localhost:1", "string", c.decoder(""))
	neither := decodingFile(t, "localhost:1", "string", "json")
	for _, test := range []schemaCase{
		{"glue", inGlue(click2ID), exitDone, clickSchema2 + "\n", "AVRO clicks version 2 (" + click2ID + ")\n"},
		{"glue, capital letters", inGlue(strings.ToUpper("3333aaaa") + tripID[8:]), exitFailed, "", "has no schema version 3333aaaa-3333-4333-8333-333333333333"},
		{"glue, JSON Schema", inGlue(tripID), exitDone, tripSchema + "\n", "JSON trips version 1 ("},
		{"glue, Protobuf", inGlue(carID), exitDone, carSchema, "PROTOBUF cars version 1 ("},
		{"glue by --from", []string{"show", "--from", ofGlue, tripID}, exitDone, tripSchema + "\n", "JSON trips"},
		{"confluent by --from and --keys", []string{"show", "--keys", "--from", ofGlue, "5"}, exitDone, tripSchema + "\n", "JSON trips-value"},
		{"confluent by --from", []string{"show", "--from", ofConfluent, "2"}, exitDone, clickSchema2 + "\n", "AVRO clicks-value version 2 (2)\n"},
		{"confluent", inConfluent("1"), exitDone, clickSchema1 + "\n", "AVRO clicks-value version 1 (1)\n"},
		{"confluent, references", inConfluent("4"), exitDone, stopSchema + "\n", "AVRO stops-value version 1 (4), imports geo.Point\n"},
		{"confluent, Protobuf", inConfluent("6"), exitDone, carSchema, "PROTOBUF cars-value version 1 (6)\n"},

		{"glue has no such version", inGlue(unknownID), exitFailed, "", "AWS Glue in eu-west-1 has no schema version " + unknownID},
		{"confluent has no such schema", inConfluent("99"), exitFailed, "", "error: schema 99: the registry " + c.server.URL + " answers 404"},
		{"glue: no id", inGlue("clicks"), exitUsage, "", `"clicks" isn't the id of a schema version, such as `},
		{"glue: Confluent's id", inGlue("12"), exitUsage, "", `"12" isn't the id of a schema version`},
		{"confluent: AWS Glue's id", inConfluent(click1ID), exitUsage, "", `isn't the id of a schema, which is a number`},
		{"confluent: a large number", inConfluent("4294967296"), exitUsage, "", `"4294967296" isn't the id of a schema`},
		{"confluent: a negative number", []string{"show", "--url", c.server.URL, "--", "-1"}, exitUsage, "", `"-1" isn't the id of a schema`},
		{"json asks no registry", []string{"show", "--from", neither, tripID}, exitUsage, "", "decode.value of connector clicks is json, which asks no registry"},
		{"nor do strings", []string{"show", "--keys", "--from", neither, tripID}, exitUsage, "", "decode.key of connector clicks is string, which asks no registry"},
		{"no id", []string{"show"}, exitUsage, "", "accepts 1 arg(s), received 0"},
		{"no region", []string{"show", tripID}, exitUsage, "", "set region, or AWS_REGION"},
		{"a wrong endpoint", []string{"show", "--region", "eu-west-1", "--endpoint", "localhost", tripID}, exitUsage, "", "endpoint must be a URL"},
		{"a wrong registry", []string{"show", "--region", "eu-west-1", "--registry", "a b", tripID}, exitUsage, "", `registry is "a b"`},
		{"a URL with a password", []string{"show", "--url", "https://u:SECRETEXAMPLE@localhost", "1"}, exitUsage, "", "url can't hold credentials"},
		{"no timeout", inGlue(tripID, "--timeout", "0s"), exitUsage, "", "--timeout must be above 0"},
		{"both registries", inGlue(tripID, "--url", c.server.URL), exitUsage, "", "--url is a registry with Confluent's API: it excludes --region"},
		{"a file and flags", inGlue(tripID, "--from", ofGlue), exitUsage, "", "--from says which registry: it excludes --region"},
		{"--keys without a file", inGlue(tripID, "--keys"), exitUsage, "", "--connector and --keys need --from"},
		{"a file that isn't there", []string{"show", "--from", "none.yaml", tripID}, exitUsage, "", "none.yaml: no such file or directory"},
		{"a connector that isn't there", []string{"show", "--from", ofGlue, "--connector", "x", tripID}, exitUsage, "", `holds no connector "x"`},
		{"a command that isn't there", []string{"shwo"}, exitUsage, "", `unknown command "shwo"`},
	} {
		t.Run(test.name, test.run)
	}
}

func TestSchemaShowJSON(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	for _, test := range []struct {
		args []string
		want map[string]any
	}{
		{append(g.flags(), click1ID), map[string]any{"format": "AVRO", "name": "clicks", "version": 1.0, "id": click1ID, "text": clickSchema1}},
		{[]string{"--url", c.server.URL, "4"}, map[string]any{
			"format": "AVRO", "name": "stops-value", "version": 1.0, "id": "4", "text": stopSchema, "references": []any{map[string]any{"name": "geo.Point", "text": pointSchema}},
		}},
	} {
		code, out, errs := millrace(t, plugins(), "", append([]string{"schema", "show", "--json"}, test.args...)...)
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone || errs != "" || !reflect.DeepEqual(got, test.want) {
			t.Errorf("exit code %d, %v\n%s\n%s", code, err, out, errs)
		}
	}
}

// TestSchemaCredentials: requests are signed with the environment's access key, whose secret isn't told.
func TestSchemaCredentials(t *testing.T) {
	g := newGlue(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHISTEST")
	show := append([]string{"show"}, append(g.flags(), tripID)...)
	schemaCase{"by the environment", show, exitDone, tripSchema + "\n", ""}.run(t)
	if got := g.signatures(); len(got) != 1 || !strings.Contains(got[0], "Credential=AKIDOFTHISTEST/") || !strings.Contains(got[0], "/eu-west-1/glue/aws4_request") {
		t.Error(got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	schemaCase{"without any", show, exitFailed, "", "no credentials: "}.run(t)
}

// TestSchemaRefused: what a registry refuses comes with the right or the setting that mends it, and exit code 1.
func TestSchemaRefused(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	withUser := decodingFile(t, "localhost:1", "string", c.decoder(", user: u, password: SECRETEXAMPLE"))
	const denied = `{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::123456789012:user/u is not authorized"}`
	glue := func(args ...string) []string { return append(args, g.flags()...) }
	for _, test := range []struct {
		status int
		answer string
		schemaCase
	}{
		{400, denied, schemaCase{"a version", glue("show", tripID), exitFailed, "", "the credentials need glue:GetSchemaVersion on registry fleet and its schemas"}},
		{400, denied, schemaCase{"a schema", glue("pull", "clicks"), exitFailed, "", "the credentials need glue:GetSchema on registry fleet"}},
		{400, denied, schemaCase{"the list", glue("pull", "--all"), exitFailed, "", "the credentials need glue:ListSchemas on registry fleet"}},
		{400, `{"__type":"UnrecognizedClientException","Message":"x"}`, schemaCase{"the key", glue("show", tripID), exitFailed, "", "AWS doesn't know the access key"}},
		{400, `{"__type":"ThrottlingException","Message":"Rate exceeded"}`, schemaCase{"throttled", glue("show", tripID), exitFailed, "", "AWS limits the requests of the account"}},
		{401, `{"error_code":401,"message":"Unauthorized"}`, schemaCase{"no login", []string{"show", "--url", c.server.URL, "1"}, exitFailed, "", "set user and password, or token"}},
		{401, `{"error_code":401,"message":"Unauthorized"}`, schemaCase{"a wrong login", []string{"show", "--from", withUser, "1"}, exitFailed, "", "look at user and password"}},
		{403, `{"error_code":40301,"message":"Forbidden"}`, schemaCase{"no right", []string{"show", "--from", withUser, "1"}, exitFailed, "", "need the right to read the subject and its schemas"}},
		{403, `{"error_code":40301,"message":"Forbidden"}`, schemaCase{"no right to one", []string{"pull", "--from", withUser, "trips-value"}, exitFailed, "", "subject trips-value: the registry "}},
		{200, `<html>`, schemaCase{"no registry", []string{"show", "--url", c.server.URL, "1"}, exitFailed, "", "is there a registry at url?"}},
		{500, ``, schemaCase{"a fault", glue("show", tripID), exitFailed, "", "500 Internal Server Error"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			g.turn(test.status, test.answer)
			c.turn(test.status, test.answer)
			test.run(t)
			if left := filesIn(t, "."); len(left) > 0 {
				t.Error(left)
			}
		})
	}
	g.server.Close()
	schemaCase{"nobody there", glue("show", tripID), exitFailed, "", "connection refused (look at endpoint, " + g.server.URL + ")"}.run(t)
}

func TestSchemaPull(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	glue := func(args ...string) []string { return slices.Concat([]string{"schema", "pull"}, g.flags(), args) }
	confluent := func(args ...string) []string {
		return append([]string{"schema", "pull", "--url", c.server.URL}, args...)
	}
	all := []string{click1ID + ".avsc", click2ID + ".avsc", tripID + ".json", carID + ".proto", "versions.json"}
	for _, test := range []struct {
		name  string
		args  []string
		files []string
		errs  string
	}{
		{"two schemas", glue("clicks", "trips", "clicks"), []string{click1ID + ".avsc", click2ID + ".avsc", tripID + ".json", "versions.json"},
			"AVRO      clicks version 1  " + click1ID + "\nAVRO      clicks version 2  " + click2ID + "\nJSON      trips version 1  " + tripID + "\n3 schema versions saved in schemas, 0 there already\n"},
		{"one version", glue("--id", carID, "--id", carID), []string{carID + ".proto", "versions.json"}, "1 schema version saved in schemas, 0 there already\n"},
		{"a version and its schema", glue("--id", click2ID, "clicks"), []string{click1ID + ".avsc", click2ID + ".avsc", "versions.json"}, "2 schema versions saved in schemas, 1 there already\n"},
		{"all", glue("--all", "clicks"), all, "4 schema versions saved in schemas, 0 there already\n"},
		{"Confluent's", confluent("clicks-value", "stops-value"), []string{"1.avsc", "2.avsc", "4.avsc", "versions.json"}, "3 schema versions saved in schemas, 0 there already\n"},
		{"all of Confluent's", confluent("--all"), []string{"1.avsc", "2.avsc", "3.avsc", "4.avsc", "5.json", "6.proto", "versions.json"}, "6 schema versions saved"},
		{"a folder in a folder", glue("--id", tripID, "--out", "schemas/x"), []string{"x"}, "1 schema version saved in schemas/x, 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			code, out, errs := millrace(t, plugins(), "", test.args...)
			if got := filesIn(t, "schemas"); code != exitDone || out != "" || !strings.Contains(errs, test.errs) || !slices.Equal(got, test.files) {
				t.Errorf("exit code %d, %s\n%s\n%q", code, out, errs, got)
			}
		})
	}
}

// TestSchemaPullAgain: what is in the folder stays as it is, and an id that is there isn't asked for.
func TestSchemaPullAgain(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	t.Chdir(t.TempDir())
	ids := slices.Concat([]string{"pull", "--id", click1ID, "--id", tripID}, g.flags())
	numbers := []string{"pull", "--id", "4", "--url", c.server.URL}
	schemaCase{"first", ids, exitDone, "", "2 schema versions saved in schemas, 0 there already\n"}.run(t)
	schemaCase{"first of Confluent's", numbers, exitDone, "", "1 schema version saved in schemas, 0 there already\n"}.run(t)
	if got := g.take(); !slices.Equal(got, []string{"GetSchemaVersion", "GetSchemaVersion"}) || len(c.take()) == 0 {
		t.Error(got)
	}
	before := filesIn(t, "schemas")
	if err := os.WriteFile("schemas/"+tripID+".json", []byte(`{"mine":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	schemaCase{"again", ids, exitDone, "", "0 schema versions saved in schemas, 2 there already\n"}.run(t)
	schemaCase{"again of Confluent's", numbers, exitDone, "", "0 schema versions saved in schemas, 1 there already\n"}.run(t)
	if asked := append(g.take(), c.take()...); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
	schemaCase{"by name", slices.Concat([]string{"pull", "--all"}, g.flags()), exitDone, "", "2 schema versions saved in schemas, 2 there already\n"}.run(t)
	if text, err := os.ReadFile("schemas/" + tripID + ".json"); err != nil || string(text) != `{"mine":1}` {
		t.Errorf("%s, %v", text, err)
	}
	for _, name := range before {
		if !slices.Contains(filesIn(t, "schemas"), name) {
			t.Errorf("%s is gone", name)
		}
	}
}

// TestSchemaPullLive takes the ids of what is in a topic, of values or of keys.
func TestSchemaPullLive(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	brokers := produce(t, framed(click1ID, "\x02\x02a"), framed(click2ID, "\x02\x02a\x00"), `{"plain":1}`, "", framed(click2ID, "\x02\x02a\x00"), numbered(2, "\x02\x02a\x00"))
	ofGlue, ofConfluent := decodingFile(t, brokers, "string", g.decoder("")), decodingFile(t, brokers, "string", c.decoder(""))
	ofKeys := decodingFile(t, brokers, g.decoder(""), "json")
	for _, test := range []struct {
		schemaCase
		files []string
	}{
		{schemaCase{"all", []string{"pull", "--from", ofGlue, "--live", "10"}, exitDone, "", "2 schema versions saved"}, []string{click1ID + ".avsc", click2ID + ".avsc", "versions.json"}},
		{schemaCase{"the newest", []string{"pull", "--from", ofGlue, "--live", "3"}, exitDone, "", "1 schema version saved"}, []string{click2ID + ".avsc", "versions.json"}},
		{schemaCase{"and a name", []string{"pull", "--from", ofGlue, "--live", "3", "trips"}, exitDone, "", "2 schema versions saved"}, []string{click2ID + ".avsc", tripID + ".json", "versions.json"}},
		{schemaCase{"Confluent's", []string{"pull", "--from", ofConfluent, "--live", "1"}, exitDone, "", "1 schema version saved"}, []string{"2.avsc", "versions.json"}},
		{schemaCase{"none", []string{"pull", "--from", ofGlue, "--live", "1"}, exitFailed, "", "1 record: none names a schema version"}, nil},
		{schemaCase{"keys", []string{"pull", "--from", ofKeys, "--keys", "--live", "10"}, exitFailed, "", "6 records: none names a schema version"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			test.run(t)
			if got := filesIn(t, "schemas"); !slices.Equal(got, test.files) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestWrongSchemaPull(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	t.Chdir(t.TempDir())
	plain, away := decodingFile(t, "localhost:1", "string", "json"), decodingFile(t, "localhost:1", "string", g.decoder(""))
	glue := func(args ...string) []string { return slices.Concat([]string{"pull"}, g.flags(), args) }
	for _, test := range []schemaCase{
		{"nothing", glue(), exitUsage, "", "say which versions: names of schemas, --all, --id, or --live with --from"},
		{"--live alone", glue("--live", "1"), exitUsage, "", "--live needs --from, a file that says which topics"},
		{"--live too large", []string{"pull", "--from", away, "--live", "10001"}, exitUsage, "", "--live is at most 10000"},
		{"--live negative", []string{"pull", "--from", away, "--live", "-1"}, exitUsage, "", "--live is at most 10000"},
		{"--from with json", []string{"pull", "--from", plain, "--live", "1"}, exitUsage, "", "decode.value of connector clicks is json, which asks no registry"},
		{"no Kafka", []string{"pull", "--from", away, "--live", "1", "--timeout", "5s"}, exitFailed, "", "localhost:1"},
		{"a wrong id behind a good one", glue("--id", tripID, "--id", "x"), exitUsage, "", `"x" isn't the id of a schema version`},
		{"an unknown id", glue("--id", unknownID), exitFailed, "", "has no schema version " + unknownID},
		{"an unknown schema", glue("nothing"), exitFailed, "", "AWS Glue in eu-west-1 has no schema nothing in registry fleet"},
		{"an unknown subject", []string{"pull", "--url", c.server.URL, "nothing"}, exitFailed, "", "subject nothing: the registry " + c.server.URL + " answers 404"},
	} {
		t.Run(test.name, test.run)
	}
	if got := filesIn(t, "."); len(got) > 0 {
		t.Error(got)
	}
	if err := os.WriteFile("taken", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	schemaCase{"a file in place of the folder", glue("--id", tripID, "--out", "taken"), exitFailed, "", "taken"}.run(t)
	if err := os.MkdirAll(filepath.Join("broken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("broken/versions.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	schemaCase{"a broken versions.json", glue("--id", tripID, "--out", "broken"), exitFailed, "", "read broken/versions.json: "}.run(t)
}
