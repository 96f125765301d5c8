package letter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
)

// A Letter is a failure as a line of JSON. Bytes that aren't UTF-8 stand in base64 beside a null.
type Letter struct {
	ID          string   `json:"id"`
	Connector   string   `json:"connector"`
	Topic       string   `json:"topic"`
	Partition   int32    `json:"partition"`
	Offset      int64    `json:"offset"`
	Timestamp   int64    `json:"timestamp"` // milliseconds since 1970
	Stage       string   `json:"stage"`
	Error       string   `json:"error"`
	Key         *string  `json:"key"`
	KeyBase64   []byte   `json:"key_base64,omitempty"`
	Value       *string  `json:"value"`
	ValueBase64 []byte   `json:"value_base64,omitempty"`
	Headers     []Header `json:"headers"`

	LogAppendTime bool `json:"-"` // Timestamp is that of the dead letter topic's broker: the record's own is lost
}

// A Header is a record's header in a Letter.
type Header struct {
	Name        string  `json:"name"`
	NameBase64  []byte  `json:"name_base64,omitempty"` // where the name isn't UTF-8
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
}

// Append appends f as a line. What it writes holds no byte of f any more. An error is of class Permanent.
func Append(buf *bytes.Buffer, f *connector.Failure) error {
	l := of(f)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(&l); err != nil {
		return connector.Permanent.Errorf("encode the dead letter of %s offset %d: %w", f.Source.Partition, f.Record.Offset, err)
	}
	return nil
}

func of(f *connector.Failure) Letter {
	l := Letter{
		ID: f.ID, Connector: f.Source.Connector, Topic: f.Source.Topic, Partition: f.Source.ID,
		Offset: f.Record.Offset, Timestamp: f.Record.Timestamp, Stage: string(f.Stage),
		Headers: make([]Header, len(f.Record.Headers)),
	}
	if f.Err != nil {
		l.Error = f.Err.Error()
	}
	l.Key, l.KeyBase64 = textOrBytes(f.Record.RawKey)
	l.Value, l.ValueBase64 = textOrBytes(f.Record.RawValue)
	for i, h := range f.Record.Headers {
		l.Headers[i] = headerOf(h)
	}
	return l
}

func headerOf(h connector.Header) (to Header) {
	to.Name = h.Name
	if !utf8.ValidString(h.Name) {
		to.NameBase64 = []byte(h.Name)
	}
	to.Value, to.ValueBase64 = textOrBytes(h.Value)
	return to
}

// textOrBytes is b as text where it is UTF-8, else as bytes; neither for Kafka's null.
func textOrBytes(b []byte) (*string, []byte) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}

// Read reads a line that Append wrote.
func Read(line []byte) (Letter, error) {
	var l Letter
	if err := json.Unmarshal(line, &l); err != nil {
		return Letter{}, fmt.Errorf("read a dead letter: %w", err)
	}
	return l, nil
}

// RawKey is the record's key as Kafka had it, nil for null.
func (l *Letter) RawKey() []byte { return raw(l.Key, l.KeyBase64) }

// RawValue is the record's value as Kafka had it, nil for null.
func (l *Letter) RawValue() []byte { return raw(l.Value, l.ValueBase64) }

// RawHeaders are the record's headers as Kafka had them, in their order.
func (l *Letter) RawHeaders() []connector.Header {
	hs := make([]connector.Header, len(l.Headers))
	for i, h := range l.Headers {
		hs[i] = connector.Header{Name: h.Name, Value: raw(h.Value, h.ValueBase64)}
		if h.NameBase64 != nil {
			hs[i].Name = string(h.NameBase64)
		}
	}
	return hs
}

func raw(text *string, bytes []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return bytes
}
