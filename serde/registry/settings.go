package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

// Settings are those that the decoders of all registries have, by the names that their configurations give them.
type Settings struct {
	SchemaFolder string // "": none
	Timestamps   string // TimestampsRFC3339 or TimestampsEpoch
	Reader       string
	Message      string
	ValidateJSON bool
	Plain        string // what a value without a header is: PlainJSON, PlainString, PlainBytes, or PlainNone, an error
	Limits       serde.Limits
}

// The values of settings.
const (
	PlainNone   = "none"
	PlainJSON   = "json"
	PlainString = "string"
	PlainBytes  = "bytes"

	TimestampsRFC3339 = "rfc3339"
	TimestampsEpoch   = "epoch"
)

// Validate checks the settings; nothing is read.
func (s Settings) Validate() error {
	errs := []error{
		OneOf("timestamps", s.Timestamps, TimestampsRFC3339, TimestampsEpoch),
		OneOf("plain", s.Plain, PlainNone, PlainJSON, PlainString, PlainBytes),
		s.Formats().Validate(),
	}
	if err := (json.Config{Limits: s.Limits}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("limits: %w", err))
	}
	return errors.Join(errs...)
}

// Formats are how schemas are decoded with.
func (s Settings) Formats() Formats {
	return Formats{Timestamps: s.Timestamps, Reader: s.Reader, Message: s.Message, ValidateJSON: s.ValidateJSON, Limits: s.Limits}
}

// Folder is the schema folder, nil if there is none.
func (s Settings) Folder() *Folder {
	if s.SchemaFolder == "" {
		return nil
	}
	return &Folder{Dir: s.SchemaFolder}
}

// PlainDecoder is that of values without a header, nil if they are errors.
func (s Settings) PlainDecoder() (serde.Decoder, error) {
	switch s.Plain {
	case PlainString:
		return serde.StringDecoder{}, nil
	case PlainBytes:
		return serde.BytesDecoder{}, nil
	case PlainJSON:
		return json.New(json.Config{Limits: s.Limits})
	}
	return nil, nil
}

// OneOf checks a setting that has a few values.
func OneOf(setting, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q; it must be one of %s", setting, value, strings.Join(allowed, ", "))
}
