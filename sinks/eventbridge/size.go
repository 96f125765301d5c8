package eventbridge

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/template"
)

// EventBridge counts an entry as the UTF-8 bytes of its source, its detail-type, its detail before it is escaped, each of its resources and its trace header, and
// timeSize for a time (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-calculate-putevents-entry-size).
const timeSize = 14

// Limits of an entry (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html and, for the source,
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_EventBridgeParameters.html).
const (
	maxSource     = 256 // characters
	maxDetailType = 128 // characters
	maxTrace      = 500 // characters, which are ASCII
	awsSource     = "aws."
)

func compileSource(text string) (*template.Template, error) {
	t, err := template.Compile(text, template.Options{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("source: %w", err)
	case text == "":
		return nil, errors.New("source: is empty; the default is kafka-connect.{connector}")
	case strings.HasPrefix(text, awsSource):
		return nil, fmt.Errorf("source: %q begins with aws., which EventBridge keeps for AWS's own events", text)
	}
	return t, nil
}

// checkSource refuses the sources that EventBridge refuses.
func checkSource(text []byte) error {
	switch n := utf8.RuneCount(text); {
	case n == 0:
		return errors.New("source: is empty for this record")
	case n > maxSource:
		return fmt.Errorf("source: has %d characters for this record; EventBridge takes at most %d", n, maxSource)
	case bytes.HasPrefix(text, []byte(awsSource)):
		return fmt.Errorf("source: is %q for this record; EventBridge keeps sources that begin with aws. for AWS's own events", text)
	}
	return nil
}

// checkDetailType refuses the detail-types that EventBridge refuses.
func checkDetailType(text []byte) error {
	switch n := utf8.RuneCount(text); {
	case n == 0:
		return errors.New("detail_type: is empty for this record")
	case n > maxDetailType:
		return fmt.Errorf("detail_type: has %d characters for this record; EventBridge takes at most %d", n, maxDetailType)
	}
	return nil
}
