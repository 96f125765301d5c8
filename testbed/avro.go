package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// AvroPair is two Avro schemas, as texts.
type AvroPair struct {
	Writer string `json:"writer"`
	Reader string `json:"reader"`
}

// AvroCompatible asks Avro's own library for Java whether data of each pair's writer can be read with its reader. The answer is "" if
// so, else why not.
func AvroCompatible(ctx context.Context, pairs []AvroPair) ([]string, error) {
	answers, err := askJava[struct {
		Compatible bool   `json:"compatible"`
		Why        string `json:"why"`
	}](ctx, "compat", pairs)
	if err != nil {
		return nil, err
	}
	whys := make([]string, len(answers))
	for i, a := range answers {
		if whys[i] = a.Why; !a.Compatible && a.Why == "" {
			whys[i] = "incompatible"
		}
	}
	return whys, nil
}

// AvroItem is binary Avro by the pair's writer.
type AvroItem struct {
	AvroPair
	Data []byte `json:"data"`
}

// AvroResolved is what Java has read: JSON in the form of GlueValues.Expected, or an error.
type AvroResolved struct {
	JSON string
	Err  string // "" if it could be read
}

// AvroResolve lets Avro's own library for Java read data with the reader's schema. What isn't compatible, what ends early or late, and what JSON
// can't write are errors of the item.
func AvroResolve(ctx context.Context, items []AvroItem) ([]AvroResolved, error) {
	answers, err := askJava[struct {
		Value json.RawMessage `json:"value"`
		Error string          `json:"error"`
	}](ctx, "resolve", items)
	if err != nil {
		return nil, err
	}
	resolved := make([]AvroResolved, len(answers))
	for i, a := range answers {
		resolved[i] = AvroResolved{JSON: string(a.Value), Err: a.Error}
	}
	return resolved, nil
}

// askJava gives a command of GlueRoundTrip a line for each question and returns as many answers.
func askJava[A, Q any](ctx context.Context, command string, questions []Q) ([]A, error) {
	dir, err := os.MkdirTemp("", "millrace-avro-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var text bytes.Buffer
	for i := range questions {
		line, err := json.Marshal(questions[i])
		if err != nil {
			return nil, err
		}
		text.Write(append(line, '\n'))
	}
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if err := glueJava(ctx, []string{command, "--in", in, "--out", out}); err != nil {
		return nil, fmt.Errorf("ask Java's Avro library: %w", err)
	}
	lines, err := readLines(out)
	if err != nil {
		return nil, err
	}
	if len(lines) != len(questions) {
		return nil, fmt.Errorf("java's Avro library gave %d answers to %d questions", len(lines), len(questions))
	}
	answers := make([]A, len(lines))
	for i, l := range lines {
		if err := json.Unmarshal([]byte(l), &answers[i]); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return answers, nil
}
