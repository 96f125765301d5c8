package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/serde"
)

// decodeOptions are the flags of decode.
type decodeOptions struct {
	connector string
	topic     string
	keys      bool
	hex       bool
	live      int
	schemas   bool
	json      bool
	timeout   connector.Duration
}

func (c *command) decodeCommand() *cobra.Command {
	o := decodeOptions{timeout: connector.Duration(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "decode FILE",
		Short: "Show what raw values hold, by a file's decode section",
		Long: `Decode raw values as a connector would, by the section decode of its file, and print
them as JSON, one per line. Handlers and sinks aren't asked, no offset is committed.

Lines of the standard input are values in base64, as Kafka's tools and consoles show them:

  echo 'AwC3tNm1...' | millrace decode clicks.yaml

With --live 10 they are the newest 10 of the connector's topics, read without joining its
group. What can't be decoded is told on the standard error with the reason; exit code 1.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return c.decode(cmd.Context(), paths[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.topic, "topic", "", "topic that the values are from (default: the connector's first)")
	f.BoolVar(&o.keys, "keys", false, "lines are keys, not values")
	f.BoolVar(&o.hex, "hex", false, "lines are hexadecimal, not base64")
	f.IntVar(&o.live, "live", 0, "take the newest `N` records of the live topics, with their keys")
	f.BoolVar(&o.schemas, "schemas", false, "tell the schema version of each value on the standard error")
	f.BoolVar(&o.json, "json", false, "print one JSON object per record, errors and schema versions in it")
	f.TextVar(&o.timeout, "timeout", o.timeout, "longest wait for the end")
	return cmd
}

// A decoding is one record of decode.
type decoding struct {
	Where  string           `json:"record"` // "line 3", "clicks/0@17"
	Key    json.RawMessage  `json:"key,omitempty"`
	Value  json.RawMessage  `json:"value,omitempty"`
	Schema *decodingVersion `json:"schema,omitempty"`
	Error  string           `json:"error,omitempty"`
}

type decodingVersion struct {
	Format  serde.Format `json:"format"`
	Name    string       `json:"name,omitempty"`
	Version int64        `json:"version,omitempty"`
	ID      string       `json:"id,omitempty"`
}

func (v *decodingVersion) String() string {
	text := string(v.Format)
	if v.Name != "" {
		text += " " + v.Name
	}
	if v.Version != 0 {
		text += fmt.Sprintf(" version %d", v.Version)
	}
	if v.ID != "" {
		text += " (" + v.ID + ")"
	}
	return text
}

func (c *command) decode(ctx context.Context, path string, o decodeOptions) error {
	conn, err := c.connector(path, o.connector)
	if err != nil {
		return err
	}
	if o.timeout <= 0 || o.live < 0 || o.live > maxSamples {
		return fmt.Errorf("--timeout must be above 0, --live at most %d", maxSamples)
	}
	if o.live > 0 && (o.keys || o.hex) {
		return errors.New("--live excludes --keys and --hex")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.timeout))
	defer cancel()
	key, value, opened, err := conn.OpenDecoders(ctx)
	if err != nil {
		return failure{err}
	}
	d := decodeRun{options: o, key: key, value: value, out: c.out, err: c.err, tape: serde.NewTape()}
	if o.live > 0 {
		err = d.live(ctx, conn)
	} else {
		if o.topic == "" {
			d.options.topic = firstTopic(conn)
		}
		err = d.lines(ctx, c.in)
	}
	if err = errors.Join(err, opened.Close()); err != nil {
		return failure{err}
	}
	if d.failed > 0 {
		return failure{fmt.Errorf("%s of %d can't be decoded", count(d.failed, "record"), d.records)}
	}
	return nil
}

// A decodeRun decodes records one by one.
type decodeRun struct {
	options         decodeOptions
	key, value      serde.Decoder
	out, err        io.Writer
	tape            *serde.Tape
	records, failed int
}

// lines decodes the lines of the input; empty ones are passed over.
func (d *decodeRun) lines(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxSampleLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		r := decoding{Where: fmt.Sprintf("line %d", n)}
		data, err := d.raw(line)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Where, err)
		}
		if d.options.keys {
			r.Key, err = d.text(ctx, d.key, d.options.topic, data, &r)
		} else {
			r.Value, err = d.text(ctx, d.value, d.options.topic, data, &r)
		}
		if err := d.print(&r, err); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the values: %w", err)
	}
	if d.records == 0 {
		return errors.New("there are no values on the standard input")
	}
	return nil
}

// raw is the bytes that a line stands for.
func (d *decodeRun) raw(line []byte) ([]byte, error) {
	if d.options.hex {
		data := make([]byte, hex.DecodedLen(len(line)))
		if _, err := hex.Decode(data, line); err != nil {
			return nil, fmt.Errorf("not hexadecimal: %w", err)
		}
		return data, nil
	}
	data, err := unbase64(line)
	if err != nil {
		return nil, fmt.Errorf("%w; --hex takes hexadecimal lines, and millrace preview takes values as they are", err)
	}
	return data, nil
}

// live decodes the newest records of the connector's topics.
func (d *decodeRun) live(ctx context.Context, conn *config.Connector) error {
	all, err := newest(ctx, conn, d.options.live)
	if err != nil {
		return err
	}
	for _, s := range all {
		r := decoding{Where: fmt.Sprintf("%s@%d", s.Partition, s.record.Offset)}
		key, err := d.text(ctx, d.key, s.Topic, s.record.RawKey, &r)
		r.Key = key
		if err == nil {
			r.Schema = nil
			r.Value, err = d.text(ctx, d.value, s.Topic, s.record.RawValue, &r)
		}
		if err := d.print(&r, err); err != nil {
			return err
		}
	}
	return nil
}

// text decodes data, and notes the schema it was written with.
func (d *decodeRun) text(ctx context.Context, decoder serde.Decoder, topic string, data []byte, r *decoding) (json.RawMessage, error) {
	d.tape.Reset()
	v, err := decoder.Decode(ctx, d.tape, topic, data)
	if err != nil {
		return nil, err
	}
	if s := v.Schema(); s != nil {
		r.Schema = &decodingVersion{Format: s.Format, Name: s.Name, Version: s.Version, ID: s.ID}
	}
	return v.AppendJSON(nil)
}

// print prints a record, or why it can't be decoded.
func (d *decodeRun) print(r *decoding, failed error) error {
	d.records++
	if failed != nil {
		d.failed++
		r.Error = failed.Error()
	}
	if d.options.json {
		return printJSON(d.out, r)
	}
	if failed != nil {
		_, err := fmt.Fprintf(d.err, "%s: %v\n", r.Where, failed)
		return err
	}
	if d.options.schemas && r.Schema != nil {
		if _, err := fmt.Fprintf(d.err, "%s: %s\n", r.Where, r.Schema); err != nil {
			return err
		}
	}
	text := r.Value
	if d.options.keys {
		text = r.Key
	}
	_, err := fmt.Fprintf(d.out, "%s\n", text)
	return err
}
