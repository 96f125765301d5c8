package handlers

import (
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
)

// Tombstones says what a rule does with tombstones: records whose value is Kafka's null.
type Tombstones string

// The policies for tombstones.
const (
	Pass  Tombstones = "pass"  // go on untouched
	Apply Tombstones = "apply" // treated as any record; value is nil in expressions
)

func (t Tombstones) validate() error {
	switch t {
	case "", Pass, Apply:
		return nil
	}
	return fmt.Errorf("tombstones: %q is neither pass nor apply", string(t))
}

// each runs f for the records of b. An error of f is that record's permanent error.
func each(b *connector.Batch, t Tombstones, f func(i int, r *connector.Record) error) {
	for i, r := range b.Records() {
		if t != Apply && r.Deleted() {
			continue
		}
		if err := f(i, r); err != nil {
			b.Fail(i, connector.Permanent.Wrap(err))
		}
	}
}

// compiled is a setting's expression.
func compiled(setting, text string) (*rule.Expr, error) {
	e, err := rule.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return e, nil
}
