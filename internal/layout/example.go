package layout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	decoder "github.com/millrace/millrace/serde/json"
)

// Example is the key of an object of a topic, with what is made up: the time 2026-03-01T09:04:05Z, the offset 4711, and for each field
// of a value its own name. It is empty where nothing fits.
func (s *Settings) Example(topic string) string {
	at := time.Date(2026, 3, 1, 9, 4, 5, 0, time.UTC)
	value, ok := s.exampleValue(at)
	d, err := decoder.New(decoder.DefaultConfig())
	if !ok || err != nil {
		return ""
	}
	made := *s
	if made.Time.From == "wall" { // an example doesn't change with the time of day
		made.Time.From = "timestamp"
	}
	b := connector.NewBatch(connector.Source{Partition: connector.Partition{Topic: topic}, Connector: "example", Next: 4712},
		[]connector.Record{{Offset: 4711, Timestamp: at.UnixMilli(), RawKey: []byte("key"), RawValue: value}}, nil)
	b.Decode(context.Background(), serde.StringDecoder{}, d)
	if b.Err(0) != nil {
		return ""
	}
	name, err := made.Name(b, 0, "-0000000012-1f0a93c2")
	if err != nil {
		return ""
	}
	return name
}

// An object is a made-up value: members, or with none a text.
type object struct {
	members map[string]*object
	text    string
}

func (o *object) MarshalJSON() ([]byte, error) {
	if len(o.members) == 0 {
		return json.Marshal(o.text)
	}
	return json.Marshal(o.members)
}

// exampleValue is a value that has all fields of Path and Time.
func (s *Settings) exampleValue(at time.Time) (value []byte, ok bool) {
	var top object
	for _, names := range s.fields {
		top.add(names, names[len(names)-1])
	}
	if s.timeField != nil {
		top.add(s.timeField, at.Format(time.RFC3339))
	}
	if top.members == nil {
		return []byte("{}"), true
	}
	value, err := json.Marshal(&top)
	return value, err == nil
}

func (o *object) add(names []string, text string) {
	for _, name := range names {
		if o.members == nil {
			o.members = map[string]*object{}
		}
		if o.members[name] == nil {
			o.members[name] = &object{}
		}
		o = o.members[name]
	}
	o.text = text
}

// valueField is a field of the value in Path, which examples have.
func (s *Settings) valueField(names ...string) string {
	s.fields = append(s.fields, names)
	return field("value", names...)
}

// timeFrom makes a field of the value the time that is shown.
func (s *Settings) timeFrom(names ...string) {
	s.timeField = names
	text := field("value", names...)
	s.Time.From = text[1 : len(text)-1]
}
