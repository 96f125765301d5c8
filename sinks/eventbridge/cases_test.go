package eventbridge

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/connectjson"
	serdejson "github.com/millrace/millrace/serde/json"
)

// A capture is what the open-source connector made of one record: see testdata/README.md.
type capture struct {
	Name     string
	Settings map[string]string `json:"connector"`
	Input    captureInput
	Output   struct {
		Entry        *event
		Final        string
		DetailSHA256 string `json:"detail_sha256"`
	}
}

type captureInput struct {
	Topic         string
	Partition     int32
	Offset        int64
	Key           []byte `json:"key_b64"`
	Value         []byte `json:"value_b64"`
	ValueTemplate string `json:"value_template"`
	Fill          struct {
		Token, Char string
		Count       int
	}
	Headers       [][2]*string
	Timestamp     int64
	TimestampType string
}

// A difference is a case in which Millrace does something else, on purpose.
type difference struct {
	Case       string
	Why        string
	Detail     string // what Millrace sends
	DetailType string `json:"detail_type"` // where it differs too, or the connector sends nothing
	Error      string // what Millrace says instead of sending; a part of it
}

// TestCases: what the connector sends, Millrace sends, but for what testdata/differences.jsonl lists.
func TestCases(t *testing.T) {
	differences := map[string]difference{}
	for _, line := range lines(t, openFile(t, "testdata/differences.jsonl")) {
		d := decoded[difference](t, line)
		if d.Why == "" || (d.Error == "") == (d.Detail == "") || differences[d.Case].Case != "" {
			t.Fatalf("testdata/differences.jsonl: %s needs a reason, and either a detail or an error, once", d.Case)
		}
		differences[d.Case] = d
	}
	listed := len(differences)
	compressed, err := gzip.NewReader(openFile(t, "testdata/cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, line := range lines(t, compressed) {
		c := decoded[capture](t, line)
		t.Run(c.Name, func(t *testing.T) {
			d, ok := differences[c.Name]
			delete(differences, c.Name)
			got, err := c.run(t)
			same := c.compare(got, err)
			switch {
			case !ok && same == "":
				t.Errorf("got  %+v, %v\nwant %+v (%s)", got, err, c.Output.Entry, c.Output.Final)
			case !ok:
				counts[same]++
			case same != "":
				t.Errorf("isn't different any more: %s", same)
			default:
				counts["different on purpose"]++
				d.check(t, &c, got, err)
			}
		})
	}
	for name := range differences {
		t.Errorf("testdata/differences.jsonl: there is no case %s", name)
	}
	t.Logf("cases: %v, differences listed: %d", counts, listed)
	if total := counts["same bytes"] + counts["same JSON"] + counts["both refuse"] + counts["different on purpose"]; total != 255 {
		t.Errorf("%d cases were judged, want 255", total)
	}
}

// compare says in what got is the same as the connector's, "" if it isn't.
func (c *capture) compare(got *event, err error) string {
	want := c.Output.Entry
	switch {
	case err != nil && want == nil && c.Output.Final == "dlq":
		return "both refuse"
	case err != nil || want == nil:
		return ""
	case got.Source != want.Source || got.DetailType != want.DetailType || got.EventBusName != want.EventBusName || got.Time != want.Time || !slices.Equal(got.Resources, want.Resources):
		return ""
	case c.Output.DetailSHA256 != "":
		if sum := sha256.Sum256([]byte(got.Detail)); hex.EncodeToString(sum[:]) == c.Output.DetailSHA256 {
			return "same bytes"
		}
		return ""
	case got.Detail == want.Detail:
		return "same bytes"
	case reflect.DeepEqual(exactly(got.Detail), exactly(want.Detail)):
		return "same JSON"
	}
	return ""
}

func (d *difference) check(t *testing.T, c *capture, got *event, err error) {
	t.Helper()
	if d.Error != "" {
		if err == nil || !strings.Contains(err.Error(), d.Error) {
			t.Errorf("got %+v, %v; listed is the error %s", got, err, d.Error)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v; listed is %s", err, d.Detail)
	}
	if d.DetailType == "" {
		d.DetailType = c.Output.Entry.DetailType
	}
	if got.Detail != d.Detail || got.DetailType != d.DetailType || got.Source != "kafka-connect."+c.Settings["aws.eventbridge.connector.id"] {
		t.Errorf("got %+v; listed is %+v", got, d)
	}
}

// run makes the event of a case, with the settings that say the same as the connector's. An error is one of the settings, of a decoder or of the sink.
func (c *capture) run(t *testing.T) (*event, error) {
	t.Helper()
	s, err := c.config().shape()
	if err != nil {
		return nil, err
	}
	source := connector.Source{Partition: connector.Partition{Topic: c.Input.Topic, ID: c.Input.Partition}, Connector: c.Settings["aws.eventbridge.connector.id"]}
	b := connector.NewBatch(source, []connector.Record{c.record(t)}, nil)
	b.Decode(t.Context(), c.decoder(t, "key"), c.decoder(t, "value"))
	if err := b.Err(0); err != nil {
		return nil, err
	}
	var e entry
	text, err := c.entry(t, s, &e, b)
	if err != nil {
		if connector.ClassOf(err) != connector.Permanent {
			t.Errorf("the error is %s, want permanent", connector.ClassOf(err))
		}
		return nil, err
	}
	got := read(t, text, e)
	return &got, nil
}

// entry makes the entry, with the reference to S3 that the connector made where it keeps a part there.
func (c *capture) entry(t *testing.T, s *shape, e *entry, b *connector.Batch) ([]byte, error) {
	t.Helper()
	if c.Settings["aws.eventbridge.offloading.default.s3.bucket"] == "" {
		return s.append(nil, e, b, 0)
	}
	_, ok, err := s.offloaded(nil, b, 0)
	if err != nil || !ok {
		return s.append(nil, e, b, 0)
	}
	detail := struct{ Dataref string }{"arn:aws:s3:::gold-bucket/here"}
	if c.Output.Entry != nil {
		detail.Dataref = ""
		if err := json.Unmarshal([]byte(c.Output.Entry.Detail), &detail); err != nil {
			t.Fatal(err)
		}
	}
	return s.offload(nil, e, b, 0, detail.Dataref)
}

func (c *capture) record(t *testing.T) connector.Record {
	t.Helper()
	in := &c.Input
	r := connector.Record{RawKey: in.Key, RawValue: in.Value, Offset: in.Offset, Timestamp: in.Timestamp, LogAppendTime: in.TimestampType == "LogAppendTime"}
	if in.ValueTemplate != "" {
		r.RawValue = []byte(strings.ReplaceAll(in.ValueTemplate, in.Fill.Token, strings.Repeat(in.Fill.Char, in.Fill.Count)))
	}
	for _, h := range in.Headers {
		header := connector.Header{Name: *h[0]}
		if h[1] != nil {
			text, err := base64.StdEncoding.DecodeString(*h[1])
			if err != nil {
				t.Fatal(err)
			}
			header.Value = append([]byte{}, text...)
		}
		r.Headers = append(r.Headers, header)
	}
	return r
}

// config are Millrace's settings for the connector's.
func (c *capture) config() Config {
	set := func(name string) string { return c.Settings["aws.eventbridge."+name] }
	to := DefaultConfig()
	to.Bus, to.ID, to.Headers = set("eventbus.arn"), "", headersConnect // as the connector's default, SimpleHeaderConverter
	if converter := c.Settings["header.converter"]; strings.HasSuffix(converter, ".StringConverter") || strings.HasSuffix(converter, ".ByteArrayConverter") {
		to.Headers = headersText
	}
	if resources := set("eventbus.resources"); resources != "" {
		for r := range strings.SplitSeq(resources, ",") {
			to.Resources = append(to.Resources, strings.TrimSpace(r))
		}
	}
	if field := set("offloading.default.fieldref"); field != "" {
		to.Oversize.S3.Field = strings.TrimPrefix(field, "$.detail.")
	}
	if types := set("detail.types"); types != "" {
		to.DetailType = c.detailType(types)
	}
	if path := set("detail.types.jsonpathmapper.fieldref"); path != "" {
		path = strings.NewReplacer("$.", "value.", ".event-type", `["event-type"]`).Replace(path)
		to.DetailType = DetailType{Text: "{topic}", Path: path}
	}
	return to
}

// detailType is the setting for the connector's: a text, or pairs of topics and texts.
func (c *capture) detailType(types string) DetailType {
	to := DefaultConfig().DetailType
	for pair := range strings.SplitSeq(types, ",") {
		topic, text, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok || !slices.Contains(strings.Split(c.Settings["topics"], ","), topic) {
			return DetailType{Text: strings.ReplaceAll(types, "${topic}", "{topic}")}
		}
		text = strings.NewReplacer("{", "{{", "}", "}}").Replace(text) // the connector has no fields there
		to.Topics = append(to.Topics, TopicType{topic, text})
	}
	return to
}

// decoder is Millrace's for the connector's converter.
func (c *capture) decoder(t *testing.T, of string) serde.Decoder {
	t.Helper()
	var (
		d   serde.Decoder
		err error
	)
	switch converter := c.Settings[of+".converter"]; {
	case strings.HasSuffix(converter, ".StringConverter"):
		d = serde.StringDecoder{}
	case strings.HasSuffix(converter, ".ByteArrayConverter"):
		d = serde.BytesDecoder{}
	case strings.HasSuffix(converter, ".AWSKafkaAvroConverter"):
		var text []byte
		if text, err = os.ReadFile("testdata/avro-schema.json"); err != nil {
			t.Fatal(err)
		}
		registered := decoded[struct{ Schema json.RawMessage }](t, text)
		d, err = avro.New(avro.Config{Schema: string(registered.Schema), Timestamps: "epoch"})
		d = unframed{d}
	case c.Settings[of+".converter.schemas.enable"] == "true":
		d, err = connectjson.New(connectjson.DefaultConfig())
	default:
		d, err = serdejson.New(serdejson.DefaultConfig())
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// unframed takes off what AWS Glue's serializers put in front: a version, a compression, which is none in the cases, and the schema version's id.
type unframed struct{ serde.Decoder }

func (u unframed) Decode(ctx context.Context, tape *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if len(data) >= 18 {
		data = data[18:]
	}
	return u.Decoder.Decode(ctx, tape, topic, data)
}

// exactly is JSON as Go values, with its numbers exact.
func exactly(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return withNumbers(v)
}

func withNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return fmt.Errorf("%s is no number", v)
		}
		return n.RatString()
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withNumbers(v[name])
		}
	}
	return v
}

func openFile(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// lines are the lines of a file that aren't empty.
func lines(t *testing.T, from io.Reader) [][]byte {
	t.Helper()
	var out [][]byte
	s := bufio.NewScanner(from)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if len(s.Bytes()) > 0 {
			out = append(out, bytes.Clone(s.Bytes()))
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func decoded[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
