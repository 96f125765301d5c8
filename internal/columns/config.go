package columns

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/table/origin"
)

// Config is the settings of which columns rows have.
type Config struct {
	// Where columns come from. auto: what values were written with, where they know it (Avro, Protobuf, JSON Schema), and what is inferred from
	// the first values where they don't. catalog: the table's in the data catalog, which isn't changed then.
	From string `yaml:"from"`
	// The columns, instead: an Avro schema, a JSON Schema or a .proto file, usually as {file: PATH}.
	Columns string `yaml:"columns"`
	// The message of a .proto file, by its full name, where the file has several.
	Message string `yaml:"message"`
	// Which versions of a schema share files. backward: the newest version's columns count, and those that it has no more stay, so that
	// older rows fit too. full: the same, if older readers can read newer rows too. forward: the first version's columns
	// count. none: each version has files of its own. Versions that don't fit together always have files of their own.
	Compatibility string `yaml:"compatibility"`
	// Column that takes the members of a value for which there is no other, as JSON. Empty: _rest. none: such members are left
	// out, and counted.
	Rest string `yaml:"rest"`
	// How many values columns are inferred from. They are read again once the columns are known.
	Sample int64 `yaml:"sample"`
	// How long to wait for so many values.
	Wait connector.Duration `yaml:"wait"`
}

const (
	fromAuto    = "auto"
	fromCatalog = "catalog"

	defaultRest = "_rest"
	noRest      = "none"

	maxSample = 100_000
)

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{From: fromAuto, Compatibility: string(table.Backward), Sample: 1000, Wait: connector.Duration(10 * time.Second)}
}

// Validate checks the settings.
func (c Config) Validate() error {
	_, err := c.fixed()
	switch {
	case c.From != "" && c.From != fromAuto && c.From != fromCatalog:
		return fmt.Errorf("from is %q; it is auto or catalog", c.From)
	case c.From == fromCatalog && c.Columns != "":
		return errors.New("columns can't be set where from is catalog")
	case c.Columns == "" && c.Message != "":
		return errors.New("message is for the columns of a .proto file")
	case err != nil:
		return fmt.Errorf("columns: %w", err)
	case c.Sample < 1 || c.Sample > maxSample:
		return fmt.Errorf("sample is %d; it must be 1 to %d", c.Sample, maxSample)
	case c.Wait < 0:
		return fmt.Errorf("wait is %s; it must be 0 or more", c.Wait)
	}
	if err := table.Compatibility(c.Compatibility).Validate(); err != nil {
		return fmt.Errorf("compatibility: %w", err)
	}
	return nil
}

// FromCatalog reports whether the columns are those of a table in the data catalog.
func (c Config) FromCatalog() bool { return c.From == fromCatalog }

// fixed is the columns that are set, nil if none are.
func (c Config) fixed() (*table.Schema, error) {
	if c.Columns == "" {
		return nil, nil
	}
	return origin.File(c.Columns, c.Message)
}

// rest is the name of the column for the rest, "" for none.
func (c Config) rest() string {
	if c.Rest == noRest {
		return ""
	}
	return cmp.Or(c.Rest, defaultRest)
}
