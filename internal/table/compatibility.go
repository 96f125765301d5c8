package table

import (
	"fmt"
	"strings"
)

// A Compatibility says which versions of a schema go into one table.
type Compatibility string

// The compatibilities, named as schema registries name them.
const (
	None     Compatibility = "none"     // only versions with the same columns
	Backward Compatibility = "backward" // the columns are those of the newer version, and what only the older one has
	Forward  Compatibility = "forward"  // the columns stay those of the older version
	Full     Compatibility = "full"     // as backward, of versions that can each be read as the other
)

// ParseCompatibility reads a setting.
func ParseCompatibility(text string) (Compatibility, error) {
	c := Compatibility(strings.ToLower(text))
	return c, c.Validate()
}

// Validate reports a text that is none of the four.
func (c Compatibility) Validate() error {
	switch c {
	case None, Backward, Forward, Full:
		return nil
	}
	return fmt.Errorf("compatibility is %.40q, expected none, backward, forward or full", string(c))
}

// An Incompatible error says why two versions have no table in common. Trying again gives the same.
type Incompatible struct {
	Newer, Older int64 // their numbers, 0 where they aren't known
	Conflicts    []Conflict
	More         int // conflicts beyond those
}

// A Conflict is a column that the two versions don't agree on.
type Conflict struct {
	Column       string // its path: "pos.lat"; "items[].price" in an element of a list, "attrs{}" in a value of a map
	Newer, Older Type
	Reason       string // "" where the types are it
}

// maxConflicts is how many conflicts an error has. More don't help those who read it.
const maxConflicts = 10

// Error names the columns with their types, and the versions.
func (e *Incompatible) Error() string {
	newer, older := "the newer version", "the older version"
	if e.Newer > 0 && e.Older > 0 && e.Newer != e.Older {
		newer, older = fmt.Sprintf("version %d", e.Newer), fmt.Sprintf("version %d", e.Older)
	}
	var b strings.Builder
	b.WriteString("the columns aren't compatible: ")
	for i := range e.Conflicts {
		if i > 0 {
			b.WriteString("; ")
		}
		c := &e.Conflicts[i]
		if c.Column != "" {
			fmt.Fprintf(&b, "column %.200s: ", c.Column)
		}
		if c.Reason != "" {
			b.WriteString(strings.NewReplacer("{newer}", newer, "{older}", older).Replace(c.Reason))
			continue
		}
		fmt.Fprintf(&b, "%s in %s, %s in %s", c.Newer.describe(&c.Older), newer, c.Older.describe(&c.Newer), older)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	return b.String()
}

// describe is t, with whether it may be null where o looks the same without.
func (t *Type) describe(o *Type) string {
	text := t.String()
	if text != o.String() || t.Nullable == o.Nullable {
		return text
	}
	if t.Nullable {
		return text + " or null"
	}
	return text + " and never null"
}
