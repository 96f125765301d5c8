package avro_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// What AWS's own Java serde wrote decodes to the records that Java printed.
func TestJavaRecords(t *testing.T) {
	s := parse(t, file(t, "testdata/avro.avsc"))
	p, err := avro.Compile(s, avro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	messages := strings.Fields(file(t, "testdata/glue-avro.b64"))
	expected := strings.Split(strings.TrimSpace(file(t, "testdata/glue-avro.expected.jsonl")), "\n")
	if len(messages) != 20 || len(expected) != 20 {
		t.Fatalf("%d messages and %d records", len(messages), len(expected))
	}
	for i, message := range messages {
		raw, err := base64.StdEncoding.DecodeString(message)
		if err != nil {
			t.Fatal(err)
		}
		v, err := serde.NewTape().JSON([]byte(expected[i]), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want := ours(t, s, v)
		if got, err := both(t, p, unframed(t, raw)); err != nil || got != want {
			t.Errorf("record %d: %v\n got %s\nwant %s", i, err, got, want)
		}
	}
}

func file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unframed is the payload of a message with a Glue header.
func unframed(t *testing.T, raw []byte) []byte {
	payload := raw[18:]
	if raw[1] == 0 {
		return payload
	}
	z, err := zlib.NewReader(bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	payload, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// ours is a record in Avro's JSON encoding, as Java prints it, the way that a Value prints it. It uses nothing that decoding uses.
func ours(t *testing.T, s *avro.Schema, v serde.Value) string {
	n, _ := v.Int64()
	f, _ := v.Float64()
	text, _ := v.Text()
	switch {
	case s.Type == avro.Record:
		var members []string
		for i := range s.Fields {
			members = append(members, fmt.Sprintf("%q:%s", s.Fields[i].Name, ours(t, s.Fields[i].Type, v.Field(s.Fields[i].Name))))
		}
		return "{" + strings.Join(members, ",") + "}"
	case s.Type == avro.Union && v.Kind() == serde.Null:
		return "null"
	case s.Type == avro.Union:
		for name, inner := range v.Members() {
			for _, b := range s.Branches {
				if b.Name == name || b.Name == "" && b.Type.String() == name {
					return ours(t, b, inner)
				}
			}
		}
		t.Fatal("no branch")
	case s.Type == avro.Array:
		var items []string
		for e := range v.Elements() {
			items = append(items, ours(t, s.Items, e))
		}
		return "[" + strings.Join(items, ",") + "]"
	case s.Type == avro.Map:
		var entries []string
		for k, e := range v.Members() {
			entries = append(entries, strconv.Quote(k)+":"+ours(t, s.Items, e))
		}
		return "{" + strings.Join(entries, ",") + "}"
	case s.Logical == avro.TimestampMillis:
		return time.UnixMilli(n).UTC().Format(`"2006-01-02T15:04:05.999999Z"`)
	case s.Logical == avro.TimestampMicros:
		return time.UnixMicro(n).UTC().Format(`"2006-01-02T15:04:05.999999Z"`)
	case s.Logical == avro.Date:
		return time.Unix(n*24*60*60, 0).UTC().Format(`"2006-01-02"`)
	case s.Logical == avro.Decimal:
		b := latin1(text)
		x := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return new(big.Rat).SetFrac(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(s.Scale)), nil)).FloatString(s.Scale)
	case s.Type == avro.Bytes || s.Type == avro.Fixed:
		return `"` + base64.StdEncoding.EncodeToString(latin1(text)) + `"`
	case s.Type == avro.Double:
		return strconv.FormatFloat(f, 'f', -1, 64)
	case s.Type == avro.Float:
		return strconv.FormatFloat(f, 'f', -1, 32)
	case s.Type == avro.Boolean:
		b, _ := v.Bool()
		return strconv.FormatBool(b)
	case s.Type == avro.Int || s.Type == avro.Long:
		return strconv.FormatInt(n, 10)
	}
	return `"` + string(text) + `"` // no text of the records needs escapes
}

func latin1(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		b = append(b, byte(r))
	}
	return b
}
