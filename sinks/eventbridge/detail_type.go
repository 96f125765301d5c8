package eventbridge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/internal/template"
	"github.com/millrace/millrace/serde"
)

// detailTypes are the settings of detail_type, compiled.
type detailTypes struct {
	topics map[string]*template.Template
	path   *rule.Expr // nil: there is none
	text   *template.Template
}

func (c DetailType) compile() (detailTypes, error) {
	var (
		d    detailTypes
		errs []error
		err  error
	)
	if d.text, err = compileType(c.Text); err != nil {
		errs = append(errs, fmt.Errorf("detail_type.text: %w", err))
	}
	if c.Path != "" {
		if d.path, err = rule.Compile(c.Path); err != nil {
			errs = append(errs, fmt.Errorf("detail_type.path: %w", err))
		}
	}
	for _, t := range c.Topics {
		one, err := compileType(t.Type)
		switch {
		case t.Topic == "":
			err = errors.New("a topic has no name")
		case err != nil:
			err = fmt.Errorf("%s: %w", t.Topic, err)
		case d.topics[t.Topic] != nil:
			err = fmt.Errorf("%s is there twice", t.Topic)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("detail_type.topics: %w", err))
			continue
		}
		if d.topics == nil {
			d.topics = map[string]*template.Template{}
		}
		d.topics[t.Topic] = one
	}
	return d, errors.Join(errs...)
}

func compileType(text string) (*template.Template, error) {
	if text == "" {
		return nil, errors.New("is empty; the default is kafka-connect-{topic}")
	}
	return template.Compile(text, template.Options{})
}

// append appends the i-th record's detail-type as a JSON string.
func (d *detailTypes) append(dst []byte, x *scratch, e *entry, b *connector.Batch, i int) ([]byte, error) {
	text, err := d.of(x, b, i)
	if err != nil {
		return nil, fmt.Errorf("detail_type: %w", err)
	}
	if err := checkDetailType(text); err != nil {
		return nil, err
	}
	if dst, err = serde.AppendString(dst, text); err != nil {
		return nil, fmt.Errorf("detail_type: %w", err)
	}
	e.size += len(text)
	return dst, nil
}

// of is the detail-type of the i-th record, in x or borrowed from the record.
func (d *detailTypes) of(x *scratch, b *connector.Batch, i int) ([]byte, error) {
	t := d.topics[b.Source().Topic]
	if t == nil {
		if text := d.found(b, i); text != nil {
			return text, nil
		}
		t = d.text
	}
	var err error
	x.text, err = t.Append(x.text[:0], b, i, 0)
	return x.text, err
}

// found is the text that the path leads to, nil where there is none: an expression that fails, such as at a header that the record doesn't
// have, found nothing either. White space alone is no text, as in the connector.
func (d *detailTypes) found(b *connector.Batch, i int) []byte {
	if d.path == nil {
		return nil
	}
	v, err := d.path.Value(b, i)
	if err != nil || v.Kind() != serde.String {
		return nil
	}
	if text, _ := v.Text(); len(bytes.TrimSpace(text)) > 0 {
		return text
	}
	return nil
}
