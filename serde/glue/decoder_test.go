package glue_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/serde/registry"
	"github.com/millrace/millrace/serde/serdetest"
)

const jsonID = "4011a9bf-321a-4198-b03f-c24d46147ccb"

// open is a decoder of the double, which ends with the test.
func open(t testing.TB, c glue.Config) *glue.Decoder {
	t.Helper()
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// fleet is a double with the schemas of testdata.
func fleet(t testing.TB) *double {
	d := glueDouble(t)
	d.register(file(t, "glue-avro.schema-version-id"), "Vehicle", "AVRO", file(t, "avro.schema-as-registered.txt"), 3)
	d.register(file(t, "glue-json.schema-version-id"), "pings", "JSON", file(t, "json.schema-as-registered.txt"), 1)
	return d
}

// values are the base64 lines of a file.
func values(t testing.TB, name string) (all [][]byte) {
	t.Helper()
	for line := range strings.Lines(file(t, name)) {
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// samples are the 40 values that AWS's own serializer for Java wrote.
func samples(t testing.TB) (all []serdetest.Sample) {
	t.Helper()
	for _, format := range []string{"avro", "json"} {
		lines := strings.Split(file(t, "glue-"+format+".expected.jsonl"), "\n")
		for i, data := range values(t, "glue-"+format+".b64") {
			want := lines[i]
			if format == "avro" {
				want = vehicle(t, want)
			}
			all = append(all, serdetest.Sample{Name: fmt.Sprint(format, " ", i), Data: data, JSON: want})
		}
	}
	return all
}

// vehicle is a line of Avro's JSON encoding as Millrace shows it: without the names of a union's types, with logical types.
func vehicle(t testing.TB, line string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var out strings.Builder
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for separator := "{"; d.More(); separator = "," {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s%q:%s", separator, name, member(name.(string), raw))
	}
	return out.String() + "}"
}

// member is a member of a Vehicle.
func member(name string, raw json.RawMessage) string {
	number := func() (n int64) { _ = json.Unmarshal(raw, &n); return n }
	latin1 := func() (b []byte) {
		var s string
		_ = json.Unmarshal(raw, &s)
		for _, r := range s {
			b = append(b, byte(r))
		}
		return b
	}
	switch name {
	case "ts":
		return quoted(time.UnixMilli(number()).UTC().Format("2006-01-02T15:04:05.999999Z"))
	case "ts_us":
		return quoted(time.UnixMicro(number()).UTC().Format("2006-01-02T15:04:05.999999Z"))
	case "day":
		return quoted(time.Unix(number()*86400, 0).UTC().Format(time.DateOnly))
	case "price":
		b := latin1()
		unscaled := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return new(big.Rat).SetFrac(unscaled, big.NewInt(100)).FloatString(2)
	case "hash", "raw":
		return quoted(base64.StdEncoding.EncodeToString(latin1()))
	case "note", "owner", "age":
		var union map[string]json.RawMessage
		if json.Unmarshal(raw, &union) != nil || union == nil {
			return string(raw)
		}
		for branch, value := range union {
			if branch != "testbed.fleet.Owner" {
				return number1(string(value))
			}
			var owner struct{ Name, Age json.RawMessage }
			_ = json.Unmarshal(value, &owner)
			return fmt.Sprintf(`{"name":%s,"age":%s}`, owner.Name, member("age", owner.Age))
		}
	}
	return number1(string(raw))
}

// number1 is a number as Millrace writes floats: 1, where Java writes 1.0.
func number1(text string) string { return strings.TrimSuffix(text, ".0") }

func quoted(s string) string { return `"` + s + `"` }

// A memory is a registry without a network: what it answers, by ids.
type memory map[string][]byte

func (m memory) call(_ context.Context, _ string, body, reply []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return reply, err
	}
	if answer := m[q.SchemaVersionID]; answer != nil {
		return append(reply, answer...), nil
	}
	return reply, &awsjson.Answer{Status: http.StatusBadRequest, Code: "EntityNotFoundException"}
}

// inMemory is a decoder of the schemas of testdata.
func inMemory(t testing.TB) *glue.Decoder {
	t.Helper()
	m := memory{}
	for format, schema := range map[string]string{"avro": "Vehicle", "json": "pings"} {
		v := version{
			id: file(t, "glue-"+format+".schema-version-id"), name: schema, format: strings.ToUpper(format),
			text: file(t, format+".schema-as-registered.txt"), status: "AVAILABLE", number: 1,
		}
		answer, err := json.Marshal(v.answer())
		if err != nil {
			t.Fatal(err)
		}
		m[v.id] = answer
	}
	d, err := glue.Asking(t.Context(), glue.DefaultConfig(), m.call)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	all := samples(t)
	serdetest.Test(t, inMemory(t), []serdetest.Sample{all[0], all[1], all[20], all[21]})
}

func TestValuesOfJava(t *testing.T) {
	d := open(t, fleet(t).config())
	for _, s := range samples(t) {
		expect(t, d, "", s.Data, s.JSON)
		expect(t, d, "", compressed(t, s.Data), s.JSON)
	}
}

// The values say which version wrote them.
func TestSchemaOfValues(t *testing.T) {
	server := fleet(t)
	d := open(t, server.config())
	tape := serde.NewTape()
	for _, s := range samples(t) {
		v, err := d.Decode(t.Context(), tape, "", s.Data)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Schema(); got == nil || got.Format == serde.Avro && (got.Name != "Vehicle" || got.Version != 3 || got.ID != "ee1616a0-c8e7-4f39-bedb-5f917a2925aa") ||
			got.Format == serde.JSONSchema && (got.Name != "pings" || got.Version != 1 || got.ID != jsonID) {
			t.Errorf("%s: schema %+v", s.Name, got)
		}
	}
	if n := server.count(""); n != 2 {
		t.Errorf("%d calls, want one for each schema", n)
	}
	if all := d.Schemas(); len(all) != 2 || all[0].Topic != "" || all[0].Schema.Name != "Vehicle" {
		t.Errorf("schemas %v", all)
	}
}

// ping is value i of the topic of pings, in JSON, with its header.
func ping(t testing.TB, i int) []byte { return values(t, "glue-json.b64")[i] }

// compressed is a value of AWS Glue with its payload compressed.
func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	id, payload, _, _ := glue.Split(data)
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(payload); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(glue.AppendHeader(nil, id, true), b.Bytes()...)
}

func TestCompressedConformance(t *testing.T) {
	all := samples(t)
	for i := range all {
		all[i].Data = compressed(t, all[i].Data)
	}
	serdetest.Test(t, inMemory(t), []serdetest.Sample{all[0], all[20]})
}

// expect decodes a value to JSON.
func expect(t testing.TB, d *glue.Decoder, topic string, data []byte, want string) {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), topic, data)
	if err != nil {
		t.Error(err)
		return
	}
	if got, err := v.AppendJSON(nil); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// fails decodes a value in vain.
func fails(t testing.TB, d *glue.Decoder, topic string, data []byte, waits bool, want ...string) {
	t.Helper()
	_ = failure(t, d, topic, data, waits, want...)
}

// failure is why a value can't be decoded. waits says whether the record waits for the registry.
func failure(t testing.TB, d *glue.Decoder, topic string, data []byte, waits bool, want ...string) error {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), topic, data)
	if err == nil || v.Exists() {
		t.Fatalf("decoded: %v", err)
	}
	if _, unavailable := errors.AsType[*serde.Unavailable](err); unavailable != waits {
		t.Errorf("%v: unavailable %t, want %t", err, unavailable, waits)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: want %q in it", err, w)
		}
	}
	return err
}

func TestWithoutHeader(t *testing.T) {
	server := fleet(t)
	with := func(plain string) *glue.Decoder {
		c := server.config()
		c.Plain = plain
		return open(t, c)
	}
	expect(t, with("json"), "", []byte(`{"a":1}`), `{"a":1}`)
	expect(t, with("string"), "", []byte("a"), `"a"`)
	expect(t, with("bytes"), "", []byte{3, 1}, `"AwE="`)
	expect(t, with("none"), "", nil, "null")
	fails(t, with("none"), "", []byte(`{"a":1}`), false, "it begins with 7b2261223a;", "glue.plain", "glue.assume")
	fails(t, with("none"), "", []byte{}, false, "it is empty")
	fails(t, with("none"), "", []byte{0, 0, 0, 0, 1, 2}, false, "glue.confluent.url")
	fails(t, with("json"), "", []byte{0, 0, 0, 0, 1, 2}, false, "0000000001, as values of a Confluent registry do: set glue.confluent.url")
	fails(t, with("json"), "", []byte{3, 0, 1}, false, "it begins with 030001, as AWS Glue's header does, but has only 3 bytes of 18")
	fails(t, with("json"), "", append([]byte{3, 7}, make([]byte, 20)...), false, "its second byte is neither 00 nor 05")
	if err := failure(t, with("json"), "", []byte(`{`), false); strings.Contains(err.Error(), "glue") {
		t.Errorf("JSON that is broken has nothing to do with AWS Glue: %v", err)
	}
	if n := server.count(""); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestErrorsOfValues(t *testing.T) {
	server := fleet(t)
	c := server.config()
	c.MaxMessage = 50
	d := open(t, c)
	good := ping(t, 0)
	fails(t, d, "", good[:30], false, "schema pings, version 1: ")
	fails(t, d, "", compressed(t, good), false, "max_message", "50 bytes")
	fails(t, d, "", append(compressed(t, good), 0), false, "unpack the payload (zlib)")
	c.MaxMessage, c.ValidateJSON = 1<<20, true
	d = open(t, c)
	expect(t, d, "", good, strings.Split(file(t, "glue-json.expected.jsonl"), "\n")[0])
	id, _, _, _ := glue.Split(good)
	fails(t, d, "", append(glue.AppendHeader(nil, id, false), `{"vin":"x"}`...), false, "schema pings, version 1: ", "id")
}

// Whatever the registry answers, known schemas decode, and no value of an unknown one is given up for an outage.
func TestOutage(t *testing.T) {
	server := fleet(t)
	d := open(t, server.config())
	want := strings.Split(file(t, "glue-json.expected.jsonl"), "\n")[0]
	expect(t, d, "", ping(t, 0), want)
	unknown := ping(t, 0)
	unknown[2] = 0x41
	for i, x := range []struct {
		fault reply
		class connector.Class
		want  string
	}{
		{reply{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}, connector.Retryable, "Rate exceeded"},
		{reply{http.StatusServiceUnavailable, "", ""}, connector.Retryable, "503 Service Unavailable"},
		{reply{http.StatusInternalServerError, "InternalServiceException", ""}, connector.Retryable, "InternalServiceException"},
		{reply{http.StatusBadRequest, "AccessDeniedException", "no"}, connector.Systemic, "glue:GetSchemaVersion on registry fleet"},
		{reply{http.StatusBadRequest, "UnrecognizedClientException", ""}, connector.Systemic, "access key"},
	} {
		server.fail(&x.fault)
		unknown[3] = byte(i) // another one each time: the last error is kept for a while
		calls := server.count("")
		err := failure(t, d, "", unknown, true, x.want, fmt.Sprintf("schema 41%02xa9bf-321a-4198-b03f-c24d46147ccb: AWS Glue in eu-west-1: ", i))
		if got := connector.ClassOf(err); got != x.class {
			t.Errorf("%v: class %s, want %s", err, got, x.class)
		}
		if n := server.count("") - calls; n != 1 {
			t.Errorf("%v: %d calls, want 1: the connector retries", err, n)
		}
		expect(t, d, "", ping(t, 0), want)
	}
	server.Close()
	unknown[3] = 99
	fails(t, d, "", unknown, true, "look at endpoint, "+server.URL)
	expect(t, d, "", ping(t, 0), want)
}

// A thousand records of a schema are one call, which goes on when those who wait for it go away.
func TestSlowRegistry(t *testing.T) {
	server := fleet(t)
	asked, release := make(chan struct{}), make(chan struct{})
	server.fault = func(string) *reply { close(asked); <-release; return nil }
	d := open(t, server.config())
	ctx, cancel := context.WithCancel(t.Context())
	want := strings.Split(file(t, "glue-json.expected.jsonl"), "\n")[0]
	data := ping(t, 0)
	var gone, stay sync.WaitGroup
	for range 500 {
		gone.Go(func() {
			if _, err := d.Decode(ctx, serde.NewTape(), "", data); !errors.Is(err, context.Canceled) {
				t.Errorf("who went away got %v", err)
			}
		})
		stay.Go(func() { expect(t, d, "", data, want) })
	}
	<-asked
	cancel()
	gone.Wait()
	close(release)
	stay.Wait()
	if n := server.count(""); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestStatusOfVersions(t *testing.T) {
	server := glueDouble(t)
	d := open(t, server.config())
	for i, x := range []struct {
		status string
		waits  bool
		want   string
	}{
		{"PENDING", true, "its status is PENDING"}, {"DELETING", true, "is being deleted"}, {"FAILURE", false, "failed AWS Glue's check"},
		{"NEW", true, "its status is NEW"},
	} {
		id := fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
		server.register(id, "s", "JSON", "{}", 1).status = x.status
		parsed, err := glue.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		fails(t, d, "", append(glue.AppendHeader(nil, parsed, false), "1"...), x.waits, x.want, id)
	}
}

func TestSchemaFolder(t *testing.T) {
	server := fleet(t)
	client, err := server.config().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := server.config()
	c.SchemaFolder = t.TempDir()
	names, err := client.Schemas(t.Context())
	if err != nil || fmt.Sprint(names) != "[pings]" { // the other's first version isn't there
		t.Fatalf("schemas %v, %v", names, err)
	}
	for _, name := range []string{"pings", "Vehicle"} {
		if err := client.Versions(t.Context(), name, registry.Folder{Dir: c.SchemaFolder}.Save); err != nil {
			t.Fatal(err)
		}
	}
	server.Close()
	d := open(t, c)
	for _, s := range samples(t) {
		expect(t, d, "", s.Data, s.JSON)
	}
	if all := d.Schemas(); len(all) != 2 || all[0].Schema.Name != "Vehicle" || all[0].Schema.Version != 3 {
		t.Errorf("schemas %v", all)
	}
	unknown := ping(t, 0)
	unknown[2]++
	fails(t, d, "", unknown, true)
}
