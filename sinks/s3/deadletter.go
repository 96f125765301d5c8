package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/template"
)

// DeadLetterConfig is the settings of the dead letter that writes objects.
type DeadLetterConfig struct {
	Connection
	// Folder of an object. It can hold {connector}, {topic}, {partition}, {header.NAME}, and {time:yyyy-MM-dd}, the time of writing in UTC. The name
	// TOPIC+PARTITION+OFFSET-RANDOM.jsonl follows, of the first record in the object.
	Path string `yaml:"path" kind:"template"`
	// Compression of the objects: none, gzip, zstd or snappy (its framing format).
	Compression string `yaml:"compression"`
}

// DefaultDeadLetterConfig is the settings that a file need not name.
func DefaultDeadLetterConfig() DeadLetterConfig {
	return DeadLetterConfig{Connection: bucket.DefaultConnection(), Path: "{connector}/{topic}/", Compression: string(lines.None)}
}

// letterName is an object's name below path, without the random digits.
const letterName = "{topic}+{partition}+{position:%010d}"

// decoded finds fields of what decoders make: a dead letter has the raw bytes only.
var decoded = regexp.MustCompile(`\{(key|value)[^}]*\}`)

// Validate checks the settings without a connection.
func (c DeadLetterConfig) Validate() error {
	_, err := c.compile()
	return err
}

func (c DeadLetterConfig) compile() (*DeadLetter, error) {
	errs := []error{c.Connection.Validate()}
	codec, err := lines.NewCodec(lines.Compression(c.Compression), 0)
	if err != nil {
		errs = append(errs, fmt.Errorf("compression: %w", err))
	}
	if field := decoded.FindString(strings.ReplaceAll(c.Path, "{{", "")); field != "" {
		errs = append(errs, fmt.Errorf("path: %s isn't known of a record that failed", field))
	}
	folder := c.Path
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	path, err := template.Compile(folder+letterName, template.Options{Path: true, Position: true, Time: &template.Time{From: "wall", Zone: "UTC"}})
	if err != nil {
		errs = append(errs, fmt.Errorf("path: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &DeadLetter{path: path, codec: codec, extension: ".jsonl" + codec.Extension(), contentType: codec.ContentType("application/x-ndjson")}, nil
}

// A DeadLetter puts the failures of a call into an object of its own, one line of JSON each. It is safe for concurrent use.
type DeadLetter struct {
	bucket      *bucket.Bucket
	path        *template.Template
	codec       *lines.Codec
	extension   string
	contentType string
}

var _ connector.DeadLetter = (*DeadLetter)(nil)

// Open connects: it makes the client and finds credentials, but asks the bucket nothing yet. Close ends the dead letter.
func (c DeadLetterConfig) Open(ctx context.Context) (*DeadLetter, error) {
	d, err := c.compile()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	if d.bucket, err = connect(ctx, &c.Connection); err != nil {
		return nil, err
	}
	return d, nil
}

// Close closes the connections.
func (d *DeadLetter) Close() error { return d.bucket.Close() }

// Bury puts an object for each path that the failures have. After an error, those that were put stay, and come again.
func (d *DeadLetter) Bury(ctx context.Context, fs []connector.Failure) error {
	var envelopes []*envelope
	byPath := make(map[string]*envelope)
	for i := range fs {
		f := &fs[i]
		folder, name, err := d.address(f)
		if err != nil {
			return fmt.Errorf("bury offset %d of %s: %w", f.Record.Offset, f.Source.Partition, err)
		}
		e := byPath[folder]
		if e == nil {
			e = &envelope{key: folder + name + "-" + chain.NewTail() + d.extension}
			byPath[folder], envelopes = e, append(envelopes, e)
		}
		if err := letter.Append(&e.lines, f); err != nil {
			return err
		}
	}
	for _, e := range envelopes {
		body := d.codec.Append(nil, e.lines.Bytes())
		if err := d.bucket.Send(ctx, e.key, body, d.contentType, bucket.Condition{}); err != nil {
			return d.bucket.Failure(opBury, e.key, err)
		}
	}
	return nil
}

// An envelope is an object before it is put.
type envelope struct {
	key   string
	lines bytes.Buffer
}

// address is the folder that a failure's object lies in, with its slash, and the name that an object gets whose first it is.
func (d *DeadLetter) address(f *connector.Failure) (folder, name string, err error) {
	b := connector.NewBatch(*f.Source, []connector.Record{*f.Record}, nil)
	key, err := d.path.Append(nil, b, 0, f.Record.Offset)
	i := bytes.LastIndexByte(key, '/') + 1
	return string(key[:i]), string(key[i:]), err
}
