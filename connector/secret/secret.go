package secret

import (
	"context"
	"fmt"
	"log/slog"
)

// A Text is a setting that prints masked wherever it is formatted, logged or encoded: it is written in the
// configuration, or kept somewhere else and read when it is needed. The zero value is the empty text.
// Texts are values, and safe for concurrent use.
type Text struct {
	text   *string // behind a pointer, because fmt prints the fields of an unexported field as they are
	source Source
}

// A Source is where a Text is kept. It is safe for concurrent use, and all settings that name the same place share one, so
// that Texts of the same place are equal to reflect.DeepEqual.
type Source interface {
	// Read returns the text. refused is "", or a text that a service has refused: the place is asked for a newer one
	// then, within limits that keep many refusals from becoming as many requests. A text that isn't newer is returned as it is.
	Read(ctx context.Context, refused string) (string, error)
	// String names the place in messages: "secret msk/reader, field password".
	String() string
}

const masked = "******"

// New is the Text that is written in the configuration.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{text: &text}
}

// From is the Text that is kept at a place.
func From(source Source) Text { return Text{source: source} }

// IsSet reports whether there is a text, or a place to read it from.
func (t Text) IsSet() bool { return t.text != nil || t.source != nil }

// Known is the text where it needn't be read from somewhere else; ok is false where it must.
func (t Text) Known() (text string, ok bool) {
	if t.text == nil {
		return "", t.source == nil
	}
	return *t.text, true
}

// Read returns the text.
func (t Text) Read(ctx context.Context) (string, error) { return t.Renew(ctx, "") }

// Renew returns the text after a service has refused it. It may be the same: then nothing newer is known.
func (t Text) Renew(ctx context.Context, refused string) (string, error) {
	if text, ok := t.Known(); ok {
		return text, nil
	}
	text, err := t.source.Read(ctx, refused)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", t.source, err)
	}
	return text, nil
}

// String masks the text. The name of the place that it is read from is no secret.
func (t Text) String() string {
	switch {
	case t.source != nil:
		return "(" + t.source.String() + ")"
	case t.text == nil:
		return ""
	}
	return masked
}

// GoString masks %#v.
func (t Text) GoString() string { return `"` + t.String() + `"` }

// Format masks every verb, those that would print the fields too.
func (t Text) Format(f fmt.State, verb rune) {
	text := t.String()
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		text = t.GoString()
	}
	_, _ = f.Write([]byte(text)) // an error is for who called fmt, which sees it itself
}

// MarshalText masks JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the text as it is.
func (t *Text) UnmarshalText(text []byte) error {
	*t = New(string(text))
	return nil
}

// LogValue masks slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
