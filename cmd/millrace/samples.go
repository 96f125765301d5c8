package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/connector"
)

// A sample is a record to preview.
type sample struct {
	connector.Partition
	record connector.Record
}

// Limits of what a preview reads.
const (
	maxSamples    = 10_000
	maxSampleLine = 64 << 20
)

// readSamples reads one record per line; empty lines are passed over. A line is a value, or with unpack what holds one. The records of a
// topic get offsets from 0 on.
func readSamples(in io.Reader, topic string, records bool, unpack func(line []byte) ([]byte, error)) ([]sample, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxSampleLine)
	next := map[string]int64{}
	var all []sample
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(all) == maxSamples {
			return nil, fmt.Errorf("line %d: a preview takes at most %d records", n, maxSamples)
		}
		s := sample{Partition: connector.Partition{Topic: topic}}
		s.record.RawValue, s.record.Timestamp = bytes.Clone(line), time.Now().UnixMilli()
		if unpack != nil {
			var err error
			if s.record.RawValue, err = unpack(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if records {
			if err := s.parse(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if s.Topic == "" {
			return nil, fmt.Errorf("line %d: name the topic by --topic, or in each line with --records", n)
		}
		s.record.Offset = next[s.Topic]
		next[s.Topic]++
		all = append(all, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the records: %w", err)
	}
	return all, nil
}

// A sampleLine is a line of preview --records.
type sampleLine struct {
	Key       json.RawMessage `json:"key"`
	Value     json.RawMessage `json:"value"`
	Text      *string         `json:"text"`
	Base64    *string         `json:"base64"`
	Headers   headerLines     `json:"headers"`
	Topic     string          `json:"topic"`
	Timestamp json.RawMessage `json:"timestamp"`
}

// parse reads a line of --records.
func (s *sample) parse(line []byte) error {
	var l sampleLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return fmt.Errorf("the line is no record: %w", err)
	}
	if rest, _ := io.ReadAll(d.Buffered()); len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("something follows the record")
	}
	if l.Topic != "" {
		s.Topic = l.Topic
	}
	s.record.RawKey, s.record.RawValue = plain(l.Key), null(l.Value)
	if err := s.setValue(&l); err != nil {
		return err
	}
	s.record.Headers = l.Headers
	if l.Timestamp != nil {
		t, err := timestamp(l.Timestamp)
		if err != nil {
			return err
		}
		s.record.Timestamp = t
	}
	return nil
}

// setValue takes the one form of a value that the line has.
func (s *sample) setValue(l *sampleLine) error {
	forms := 0
	for _, there := range []bool{l.Value != nil, l.Text != nil, l.Base64 != nil} {
		if there {
			forms++
		}
	}
	switch {
	case forms > 1:
		return errors.New(`"value", "text" and "base64" exclude each other`)
	case l.Text != nil:
		s.record.RawValue = []byte(*l.Text)
	case l.Base64 != nil:
		var err error
		if s.record.RawValue, err = unbase64([]byte(*l.Base64)); err != nil {
			return fmt.Errorf(`"base64": %w`, err)
		}
	}
	return nil
}

// unbase64 takes base64 in either alphabet, with and without padding.
func unbase64(text []byte) ([]byte, error) {
	bare := string(bytes.TrimRight(bytes.TrimSpace(text), "="))
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if data, err := encoding.DecodeString(bare); err == nil {
			return data, nil
		}
	}
	return nil, errors.New("not base64")
}

// null makes nothing of the JSON value null.
func null(raw json.RawMessage) []byte {
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return raw
}

// plain is a text without its quotes, and any other JSON value as it is written.
func plain(raw json.RawMessage) []byte {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	return null(raw)
}

func timestamp(raw json.RawMessage) (int64, error) {
	var ms int64
	if json.Unmarshal(raw, &ms) == nil {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(plain(raw)))
	if err != nil {
		return 0, fmt.Errorf(`"timestamp" is milliseconds since 1970 or a time such as 2026-01-31T08:00:00Z, not %s`, raw)
	}
	return t.UnixMilli(), nil
}

// headerLines are headers in the order of the line, whose names may repeat.
type headerLines []connector.Header

func (h *headerLines) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New(`"headers" is an object of texts`)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*h = append(*h, connector.Header{Name: name.(string), Value: plain(value)})
	}
	return nil
}
