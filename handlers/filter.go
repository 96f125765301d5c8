package handlers

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connector"
)

// Filter keeps the records for which its rule is true and drops the others. A
// result that is neither true nor false is the record's permanent error.
type Filter struct {
	// Condition for records to keep, such as value.lat != 0 && value.lng != 0.
	Rule string `yaml:"rule" kind:"rule" short:"true"`
	// What happens to tombstones: pass keeps them, apply tests them too (value is nil then).
	Tombstones Tombstones `yaml:"tombstones"`
}

// DefaultFilter has the defaults of a Filter.
func DefaultFilter() Filter { return Filter{Tombstones: Pass} }

// Validate compiles the rule.
func (c Filter) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// Open makes the handler.
func (c Filter) Open(context.Context) (connector.Handler, error) {
	if err := c.Tombstones.validate(); err != nil {
		return nil, err
	}
	test, err := compiled("rule", c.Rule)
	if err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		each(b, c.Tombstones, func(i int, _ *connector.Record) error {
			keep, err := test.Bool(b, i)
			if err != nil {
				return fmt.Errorf("filter: %w", err)
			}
			if !keep {
				b.Filter(i)
			}
			return nil
		})
		return nil
	}), nil
}
