//go:build !no_glue && !no_confluent

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/millrace/millrace/connector/config"
)

// everySchema has a field of each kind of the table "What the values are" of docs/schemas.md.
const everySchema = `{"type":"record","name":"Every","fields":[
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"nanos","type":{"type":"long","logicalType":"timestamp-nanos"}},
	{"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
	{"name":"id","type":{"type":"string","logicalType":"uuid"}},
	{"name":"took","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}},
	{"name":"raw","type":"bytes"},
	{"name":"state","type":{"type":"enum","name":"S","symbols":["IDLE","DRIVING"]}},
	{"name":"speed","type":"float"},
	{"name":"note","type":["null","string"]}]}`

const valuesProto = `syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
enum State { IDLE = 0; DRIVING = 1; }
message Values {
  int32 n = 1;
  optional int32 maybe = 2;
  google.protobuf.Timestamp at = 3;
  google.protobuf.Duration took = 4;
  State state = 5;
  oneof one { string a = 6; string b = 7; }
}
`

// every is a record of everySchema.
func every(t *testing.T) string {
	t.Helper()
	// The logical types that goavro would take apart otherwise are written as what they are made of.
	plain, err := goavro.NewCodec(strings.NewReplacer(`,"logicalType":"decimal","precision":9,"scale":2`, "", `,"logicalType":"timestamp-millis"`, "", `,"logicalType":"timestamp-nanos"`, "",
		`,"logicalType":"local-timestamp-millis"`, "", `,"logicalType":"date"`, "", `,"logicalType":"time-millis"`, "", `,"logicalType":"uuid"`, "", `,"logicalType":"duration"`, "").Replace(everySchema))
	if err != nil {
		t.Fatal(err)
	}
	data, err := plain.BinaryFromNative(nil, map[string]any{
		"price": []byte{0x04, 0xe2}, "at": int64(1795255200123), "nanos": int64(1795255200123456789), "local": int64(1795255200123), "day": int32(20778), "clock": int32(36000500),
		"id": "7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd", "took": []byte{1, 0, 0, 0, 2, 0, 0, 0, 0xbc, 0x0b, 0, 0}, "raw": []byte{0xfe, 0}, "state": "DRIVING", "speed": float32(0.1),
		"note": goavro.Union("string", "n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// container is an Avro object container of records of clickSchema1.
func container(t *testing.T, compression string, records ...any) string {
	t.Helper()
	var b bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &b, Schema: clickSchema1, CompressionName: compression})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(records); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// descriptorSet is what protoc writes for: syntax = "proto3"; package fleet; message Car { int64 id = 1; string name = 2; } message Empty {}
func descriptorSet(t *testing.T) []byte {
	t.Helper()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: &name, JsonName: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("fleet.proto"), Package: proto.String("fleet"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Car"), Field: []*descriptorpb.FieldDescriptorProto{
				field("id", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64), field("name", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING),
			}},
			{Name: proto.String("Empty")},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// decodeValues runs decode on values, in this folder.
func decodeValues(t *testing.T, decoder string, values []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var lines []string
	for _, v := range values {
		lines = append(lines, base64.StdEncoding.EncodeToString([]byte(v)))
	}
	const name = "decode.yaml"
	text := "name: clicks\nsource: {kafka: {brokers: localhost:1, topics: [clicks]}}\ndecode: {value: " + decoder + "}\nsink: stdout\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return millrace(t, plugins(), strings.Join(lines, "\n"), append([]string{"decode", name}, args...)...)
}

// TestFourWays decodes with every decoder of the build, as docs/schemas.md says.
func TestFourWays(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"click.avsc": clickSchema1, "every.avsc": everySchema, "trip.json": tripSchema, "car.proto": carSchema, "set.pb": string(descriptorSet(t)), "values.proto": valuesProto,
		"wide.avsc": `{"type":"record","name":"Visit","aliases":["Click"],"fields":[{"name":"path","aliases":["page"],"type":"string"},{"name":"user","type":"double"},{"name":"site","type":"string","default":"x"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	const (
		body   = "\x0e\x06abc" // user 7, page abc
		click  = `{"user":7,"page":"abc"}`
		click3 = `{"user":7,"page":"abc","ms":3}`
		door   = "\x08\x01"
	)
	native := map[string]any{"user": int64(7), "page": "abc"}
	ways := []struct{ name, decoder, topic, value, want string }{
		// The schema is in the message.
		{"json", "json", "", `{"n":9007199254740993,"x":1.50}`, `{"n":9007199254740993,"x":1.50}`},
		{"connect_json", "connect_json", "", `{"schema":{"type":"struct","fields":[{"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp"},` +
			`{"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]},"payload":{"at":1795255200123,"price":"BOI="}}`,
			`{"at":"2026-11-21T10:00:00.123Z","price":12.50}`},
		{"avro_container", "avro_container", "", container(t, "null", native), click},
		{"avro_container, deflate", "avro_container", "", container(t, "deflate", native), click},
		{"avro_container, snappy", "avro_container", "", container(t, "snappy", native), click},
		{"avro_container, several", "{avro_container: {records: array}}", "", container(t, "null", native, native), "[" + click + "," + click + "]"},
		{"avro_container, reader", "{avro_container: {reader: {file: wide.avsc}}}", "", container(t, "null", native), `{"user":7,"path":"abc","site":"x"}`},

		// An id is in front of the message.
		{"glue", g.decoder(""), "", framed(click1ID, body), click},
		{"glue, another version", g.decoder(""), "", framed(click2ID, body+"\x06"), click3},
		{"glue, JSON Schema", g.decoder(""), "", framed(tripID, `{"km":1.20}`), `{"km":1.20}`},
		{"glue, Protobuf", g.decoder(""), "", framed(carID, "\x00\x08\x07"), `{"id":7}`},
		{"glue, Protobuf, inner message", g.decoder(""), "", framed(carID, "\x01"+door), `{"open":true}`},
		{"glue, plain", g.decoder(""), "", `{"a":1}`, `{"a":1}`},
		{"glue, plain string", g.decoder(", plain: string"), "", "ab", `"ab"`},
		{"glue, Confluent's", g.decoder(`, confluent: {url: "` + c.server.URL + `"}, plain: json`), "", numbered(2, body+"\x06"), click3},
		{"glue, reader", g.decoder(", reader: {file: wide.avsc}"), "", framed(click1ID, body), `{"user":7,"path":"abc","site":"x"}`},
		{"confluent", c.decoder(""), "", numbered(1, body), click},
		{"confluent, references", c.decoder(""), "", numbered(4, "\x0e"), `{"at":{"lat":7}}`},
		{"confluent, JSON Schema", c.decoder(""), "", numbered(5, `{"km":1.20}`), `{"km":1.20}`},
		{"confluent, Protobuf", c.decoder(""), "", numbered(6, "\x00\x08\x07"), `{"id":7}`},
		{"confluent, Protobuf, inner message", c.decoder(""), "", numbered(6, "\x04\x00\x00"+door), `{"open":true}`},
		{"confluent, several addresses", `{confluent: {url: ["http://127.0.0.1:1", "` + c.server.URL + `"]}}`, "", numbered(1, body), click},

		// It is assumed by the topic's name.
		{"glue, assume", g.decoder(`, assume: "{topic}"`), "", body + "\x06", click3},
		{"glue, assume a version", g.decoder(`, assume: {schema: "{topic}", version: 1}`), "", body, click},
		{"glue, assume an id", g.decoder(`, assume: {schema: "{topic}", version: ` + click1ID + `}`), "", body, click},
		{"glue, assume for topics", g.decoder(`, assume: {topics: {"bikes*": trips, "c*": {schema: clicks, version: 1}}}`), "", body, click},
		{"glue, assume for another topic", g.decoder(`, assume: {topics: {"bikes*": trips}}`), "bikes.eu", `{"km":1}`, `{"km":1}`},
		{"glue, assume, not this topic", g.decoder(`, assume: {topics: {"bikes*": trips}}`), "", framed(click1ID, body), click},
		{"confluent, assume", c.decoder(`, assume: "{topic}-value"`), "", body + "\x06", click3},
		{"confluent, assume a version", c.decoder(`, assume: {subject: "{topic}-value", version: 1}`), "", body, click},

		// It is in a file.
		{"avro", "{avro: {schema: {file: click.avsc}}}", "", body, click},
		{"avro, topics", "{avro: {schema: {file: every.avsc}, topics: {clicks: {file: click.avsc}}}}", "", body, click},
		{"avro, patterns of topics", "{avro: {topics: {\"c*\": {file: click.avsc}}}}", "", body, click},
		{"avro, reader", "{avro: {schema: {file: click.avsc}, reader: {file: wide.avsc}}}", "", body, `{"user":7,"path":"abc","site":"x"}`},
		{"avro, values", "{avro: {schema: {file: every.avsc}}}", "", every(t),
			`{"price":12.50,"at":"2026-11-21T10:00:00.123Z","nanos":"2026-11-21T10:00:00.123456789Z","local":"2026-11-21T10:00:00.123","day":"2026-11-21","clock":"10:00:00.5",` +
				`"id":"7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd","took":"P1M2DT3.004S","raw":"/gA=","state":"DRIVING","speed":0.1,"note":"n"}`},
		{"avro, epoch", "{avro: {schema: {file: every.avsc}, timestamps: epoch}}", "", every(t),
			`{"price":12.50,"at":1795255200123,"nanos":1795255200123456789,"local":1795255200123,"day":"2026-11-21","clock":"10:00:00.5",` +
				`"id":"7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd","took":"P1M2DT3.004S","raw":"/gA=","state":"DRIVING","speed":0.1,"note":"n"}`},
		{"protobuf", "{protobuf: {schema: {file: car.proto}}}", "", "\x08\x07", `{"id":7}`},
		{"protobuf, inner message", "{protobuf: {schema: {file: car.proto}, message: Car.Door}}", "", door, `{"open":true}`},
		{"protobuf, values", "{protobuf: {schema: {file: values.proto}}}", "", "\x08\x00\x1a\x06\x08\xa0\xd7\x85\xd8\x06\x22\x06\x10\x80\xca\xb5\xee\x01\x28\x01\x32\x01a",
			`{"n":0,"maybe":null,"at":"2026-11-21T10:00:00Z","took":"PT0.5S","state":"DRIVING","a":"a"}`},
		{"protobuf, descriptor_set", "{protobuf: {descriptor_set: set.pb, message: fleet.Car}}", "", "\x08\x07\x12\x01a", `{"id":7,"name":"a"}`},
		{"json_schema", "{json_schema: {schema: {file: trip.json}}}", "", `{"km":1.20,"x":[]}`, `{"km":1.20,"x":[]}`},
		{"csv", "{csv: {columns: {id: int, name: string, at: {type: timestamp, format: epoch_millis}, price: decimal}}}", "", `7,"a,""b""",1795255200123,12.50`,
			`{"id":7,"name":"a,\"b\"","at":"2026-11-21T10:00:00.123Z","price":12.50}`},
		{"csv, null", `{csv: {columns: {id: int, name: string}, delimiter: ";", missing: "null"}}`, "", "7", `{"id":7,"name":null}`},
		{"text_line, a name", "{text_line: logfmt}", "", `level=warn msg="disk full"`, `{"level":"warn","msg":"disk full"}`},
		{"text_line, a regular expression", `{text_line: {regexp: '(?P<status>\d+) (?P<path>\S+)', types: {status: int}}}`, "", "404 /a", `{"status":404,"path":"/a"}`},

		{"string", "string", "", "é\x00", `"é\u0000"`},
		{"bytes", "bytes", "", "\xfe\x00", `"/gA="`},
	}
	shown := map[string]bool{}
	for _, way := range ways {
		name, _, _ := strings.Cut(strings.TrimPrefix(way.decoder, "{"), ":")
		shown[name] = true
		t.Run(way.name, func(t *testing.T) {
			var args []string
			if way.topic != "" {
				args = []string{"--topic", way.topic}
			}
			if code, out, errs := decodeValues(t, way.decoder, []string{way.value}, args...); code != exitDone || out != way.want+"\n" || errs != "" {
				t.Errorf("exit code %d\n%s\n%s", code, out, errs)
			}
		})
	}
	for _, p := range plugins().Plugins(config.KindDecoder) {
		if !shown[p.Name] {
			t.Errorf("nothing is decoded by %s", p.Name)
		}
	}
}

// TestDecodeMixed reads values of every producer of a topic by one decoder.
func TestDecodeMixed(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	t.Chdir(t.TempDir())
	decoder := g.decoder(`, confluent: {url: "` + c.server.URL + `"}`)
	values := []string{framed(click1ID, "\x0e\x06abc"), numbered(5, `{"km":1}`), `{"plain":true}`, framed(click1ID, "\x10\x00")}
	code, out, errs := decodeValues(t, decoder, values, "--schemas")
	if code != exitDone || out != `{"user":7,"page":"abc"}`+"\n"+`{"km":1}`+"\n"+`{"plain":true}`+"\n"+`{"user":8,"page":""}`+"\n" {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
	if want := "line 1: AVRO clicks version 1 (" + click1ID + ")\nline 2: JSON trips-value version 1 (5)\nline 4: AVRO clicks version 1 (" + click1ID + ")\n"; errs != want {
		t.Errorf("%s, want %s", errs, want)
	}
	if asked := g.take(); !slices.Equal(asked, []string{"GetSchemaVersion"}) {
		t.Errorf("asked %q", asked)
	}
	code, out, errs = decodeValues(t, decoder, values[:2], "--json")
	want := `{"record":"line 1","value":{"user":7,"page":"abc"},"schema":{"format":"AVRO","name":"clicks","version":1,"id":"` + click1ID + `"}}` + "\n" +
		`{"record":"line 2","value":{"km":1},"schema":{"format":"JSON","name":"trips-value","version":1,"id":"5"}}` + "\n"
	if code != exitDone || out != want || errs != "" {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
}

// TestDecodeProblems: what can't be decoded is told with its reason, and the rest is decoded.
func TestDecodeProblems(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"click.avsc": clickSchema1, "trip.json": tripSchema, "float.avsc": `"float"`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := framed(tripID, `{"km":1}`)
	for _, test := range []struct {
		name, decoder, value string
		errs                 []string
	}{
		{"too short", g.decoder(""), framed(click1ID, "\x0e\x06a"), []string{"line 1: schema clicks, version 1: avro: ", `"page" at byte 2: `}},
		{"too long", g.decoder(""), framed(click1ID, "\x0e\x06abcd"), []string{"schema clicks, version 1: "}},
		{"no such version", g.decoder(""), framed(unknownID, ""), []string{unknownID, "AWS Glue in eu-west-1 has no such schema version"}},
		{"no header", g.decoder(", plain: none"), "ab", []string{"the value has no header of AWS Glue"}},
		{"Confluent's", g.decoder(""), numbered(1, "\x0e\x06abc"), []string{"as values of a Confluent registry do: set glue.confluent.url"}},
		{"glue, another version", g.decoder(", assume: clicks"), "\x0e\x06abc", []string{"was it written with another version of clicks than 2?"}},
		{"glue, nothing to assume", g.decoder(", assume: nothing"), "\x0e", []string{"nothing", "look at glue.assume"}},
		{"no such id", c.decoder(""), numbered(99, ""), []string{"99", "404"}},
		{"confluent, another version", c.decoder(`, assume: "{topic}-value"`), "\x0e\x06abc", []string{"another version"}},
		{"avro, another version", "{avro: {schema: {file: click.avsc}}}", "\x0e", []string{"was it written with another version of the schema?"}},
		{"avro, Glue's", "{avro: {schema: {file: click.avsc}}}", good, []string{"use decode: glue"}},
		{"avro, no topic", "{avro: {topics: {bikes: {file: click.avsc}}}}", "\x0e", []string{`there is no schema for the topic "clicks"`}},
		{"NaN", "{avro: {schema: {file: float.avsc}}}", "\x00\x00\xc0\x7f", []string{"line 1: ", "NaN"}},
		{"not valid", "{json_schema: {schema: {file: trip.json}}}", `{"km":"far"}`, []string{"line 1: ", "km"}},
		{"no container", "avro_container", "Obj", []string{"line 1: avro container: "}},
		{"a field too many", "{csv: {columns: {id: int}}}", "1,2", []string{"line 1: "}},
		{"no match", "{text_line: {regexp: '(?P<n>\\d+)'}}", "x", []string{"line 1: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := decodeValues(t, test.decoder, []string{test.value})
			if code != exitFailed || out != "" || !strings.Contains(errs, "1 record of 1 can't be decoded") {
				t.Errorf("exit code %d\n%s\n%s", code, out, errs)
			}
			for _, want := range test.errs {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in %s", want, errs)
				}
			}
		})
	}
	code, out, errs := decodeValues(t, g.decoder(""), []string{good, framed(click1ID, "\x0e"), good})
	if code != exitFailed || out != "{\"km\":1}\n{\"km\":1}\n" || !strings.Contains(errs, "line 2: ") || !strings.Contains(errs, "1 record of 3 can't be decoded") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
	g.turn(400, `{"__type":"AccessDeniedException","Message":"not authorized"}`)
	code, out, errs = decodeValues(t, g.decoder(""), []string{good, framed(click1ID, "\x0e"), good}, "--json")
	if code != exitFailed || strings.Count(out, "the credentials need glue:GetSchemaVersion") != 3 || !strings.Contains(errs, "3 records of 3 can't be decoded") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
	for decoder, want := range map[string]string{
		"{avro: {schema: {file: none.avsc}}}": "none.avsc", "avro": "set schema, or topics", "{protobuf: {descriptor_set: none.pb, message: A}}": "none.pb", "{glue: {regoin: x}}": `did you mean "region"?`,
		"confluent": "url: give the registry's URL", "{glue: {confluent: {user: x}}}": "confluent.url is missing", "{glue: {plain: xml}}": `plain is "xml"`,
	} {
		if code, out, errs := decodeValues(t, decoder, []string{good}); code == exitDone || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d\n%s\n%s", decoder, code, out, errs)
		}
	}
}

// TestPulledFolder: with a folder that schema pull filled, values are decoded while the registry is down.
func TestPulledFolder(t *testing.T) {
	g, c := newGlue(t), newConfluent(t)
	t.Chdir(t.TempDir())
	glueValues := []string{framed(click1ID, "\x0e\x06abc"), framed(click2ID, "\x0e\x06abc\x06"), framed(tripID, `{"km":1}`), framed(carID, "\x01\x08\x01")}
	confluentValues := []string{numbered(2, "\x0e\x06abc\x06"), numbered(4, "\x0e"), numbered(5, `{"km":1}`), numbered(6, "\x00\x08\x07")}
	brokers := produce(t, slices.Concat(glueValues, confluentValues)...)
	for _, args := range [][]string{
		{"schema", "pull", "--from", decodingFile(t, brokers, "string", g.decoder("")), "--live", "100"},
		{"schema", "pull", "--from", decodingFile(t, brokers, "string", c.decoder("")), "--live", "100", "--out", "numbered"},
	} {
		if code, out, errs := millrace(t, plugins(), "", args...); code != exitDone || !strings.Contains(errs, "4 schema versions saved") {
			t.Fatalf("%q: exit code %d\n%s\n%s", args, code, out, errs)
		}
	}
	g.server.Close()
	c.server.Close()
	const click3 = `{"user":7,"page":"abc","ms":3}`
	for _, test := range []struct {
		name, decoder string
		values, want  []string
		schema        string
	}{
		{"glue", g.decoder(", schema_folder: schemas"), glueValues, []string{`{"user":7,"page":"abc"}`, click3, `{"km":1}`, `{"open":true}`}, "AVRO clicks version 1 (" + click1ID + ")"},
		{"glue, assume", g.decoder(", schema_folder: schemas, assume: clicks"), []string{"\x0e\x06abc\x06"}, []string{click3}, "AVRO clicks version 2 (" + click2ID + ")"},
		{"confluent", c.decoder(", schema_folder: numbered"), confluentValues, []string{click3, `{"at":{"lat":7}}`, `{"km":1}`, `{"id":7}`}, "AVRO clicks-value version 2 (2)"},
		{"confluent, assume", c.decoder(`, schema_folder: numbered, assume: "{topic}-value"`), []string{"\x0e\x06abc\x06"}, []string{click3}, "AVRO clicks-value version 2 (2)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := decodeValues(t, test.decoder, test.values, "--schemas")
			if code != exitDone || out != strings.Join(test.want, "\n")+"\n" || !strings.HasPrefix(errs, "line 1: "+test.schema+"\n") {
				t.Errorf("exit code %d\n%s\n%s", code, out, errs)
			}
		})
	}
	code, out, errs := decodeValues(t, g.decoder(""), glueValues[:1])
	if code != exitFailed || out != "" || !strings.Contains(errs, "connection refused") {
		t.Errorf("without the folder: exit code %d\n%s\n%s", code, out, errs)
	}
}

// TestDecodeLive decodes the newest records of a topic, keys and values.
func TestDecodeLive(t *testing.T) {
	g := newGlue(t)
	brokers := produce(t, framed(click1ID, "\x0e\x06abc"), "", `{"plain":1}`, framed(click2ID, "\x0e"), framed(click2ID, "\x0e\x06abc\x06"))
	file := decodingFile(t, brokers, "string", g.decoder(""))
	code, out, errs := millrace(t, plugins(), "", "decode", file, "--live", "10", "--json")
	var got []decoding
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var r decoding
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []string{`{"user":7,"page":"abc"}`, "null", `{"plain":1}`, "", `{"user":7,"page":"abc","ms":3}`}
	if code != exitFailed || len(got) != len(want) {
		t.Fatalf("exit code %d\n%s\n%s", code, out, errs)
	}
	for i, r := range got {
		if r.Where != fmt.Sprintf("clicks/0@%d", i) || string(r.Key) != `"key"` || string(r.Value) != want[i] || (r.Error != "") != (want[i] == "") {
			t.Errorf("%+v", r)
		}
	}
	if s := got[4].Schema; s == nil || s.Version != 2 || got[2].Schema != nil {
		t.Errorf("%s", out)
	}
	code, out, errs = millrace(t, plugins(), "", "decode", file, "--live", "1", "--schemas")
	if code != exitDone || out != want[4]+"\n" || errs != "clicks/0@4: AVRO clicks version 2 ("+click2ID+")\n" {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
}

// TestDecodeLiveKeys: the schema that is told is the value's, not that of the key before it.
func TestDecodeLiveKeys(t *testing.T) {
	brokers := produce(t, `{"plain":1}`)
	file := decodingFile(t, brokers, `{avro: {schema: '{"type":"fixed","name":"K","size":3}'}}`, "json")
	code, out, errs := millrace(t, plugins(), "", "decode", file, "--live", "1", "--json")
	if want := `{"record":"clicks/0@0","key":"a2V5","value":{"plain":1}}` + "\n"; code != exitDone || out != want {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
}
