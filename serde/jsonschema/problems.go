package jsonschema

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	maxProblems = 3  // that an error tells
	maxShown    = 60 // characters of a name, a pattern or a constant in an error
)

// A problem is one thing that is wrong, and where.
type problem struct {
	path []string
	text string
}

func (p problem) String() string { return pointer(p.path) + ": " + p.text }

// pointer is a JSON pointer (RFC 6901), "/" for the whole value.
func pointer(path []string) string {
	if len(path) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(short(strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1")))
	}
	return b.String()
}

// short is s in at most maxShown characters, and in one line.
func short(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return '?'
		}
		return r
	}, s)
}

// describe tells the first problems in one line. The library visits objects in random order; the problems are sorted.
func describe(e *lib.ValidationError) string {
	all := problems(e)
	slices.SortFunc(all, func(a, b problem) int {
		if c := slices.Compare(a.path, b.path); c != 0 {
			return c
		}
		return strings.Compare(a.text, b.text)
	})
	var b strings.Builder
	for i, p := range all {
		if i == maxProblems {
			fmt.Fprintf(&b, "; and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// problems are what e is about: of alternatives that all failed, the one that came furthest stands for them.
func problems(e *lib.ValidationError) []problem {
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		return []problem{alternatives(e, "anyOf")}
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return []problem{{e.InstanceLocation, "fits more than one schema of oneOf"}}
		}
		return []problem{alternatives(e, "oneOf")}
	case *kind.Contains, *kind.MinContains, *kind.PropertyNames: // their causes are about parts that may be as they are
		return []problem{{e.InstanceLocation, inEnglish(e.ErrorKind)}}
	}
	if len(e.Causes) == 0 {
		return []problem{{e.InstanceLocation, inEnglish(e.ErrorKind)}}
	}
	var all []problem
	for _, c := range e.Causes {
		all = append(all, problems(c)...)
	}
	return all
}

func alternatives(e *lib.ValidationError, keyword string) problem {
	p := problem{e.InstanceLocation, fmt.Sprintf("fits none of the %d schemas of %s", len(e.Causes), keyword)}
	var furthest problem
	for _, c := range e.Causes {
		for _, x := range problems(c) {
			if furthest.text == "" || len(x.path) > len(furthest.path) {
				furthest = x
			}
		}
	}
	if furthest.text != "" {
		p.text += " (" + furthest.String() + ")"
	}
	return p
}

// inEnglish says what the library's kind of error means. It shows the schema's side, and of the value no more than its type and lengths.
func inEnglish(k lib.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("got %s, want %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Required:
		return "missing " + names(k.Missing)
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		return "the schema doesn't allow " + names(k.Properties)
	case *kind.Enum:
		return "is none of " + constants(k.Want)
	case *kind.Const:
		return "must be " + constants([]any{k.Want})
	case *kind.Format:
		if errors.Is(k.Err, errNotInEnum) {
			return "is none of the values of enum"
		}
		return "is no valid " + short(k.Want)
	case *kind.Pattern:
		return fmt.Sprintf("doesn't match the pattern %q", short(k.Want))
	case *kind.PropertyNames:
		return fmt.Sprintf("the name %q isn't allowed", short(k.Property))
	case *kind.Dependency:
		return fmt.Sprintf("missing %s, which %q requires", names(k.Missing), short(k.Prop))
	case *kind.DependentRequired:
		return fmt.Sprintf("missing %s, which %q requires", names(k.Missing), short(k.Prop))
	case *kind.FalseSchema:
		return "nothing is allowed here"
	case *kind.Not:
		return "is what not excludes"
	case *kind.RefCycle:
		return "the schema refers to itself without end"
	case *kind.Contains:
		return "no element fits contains"
	}
	return counted(k)
}

// counted is about numbers and lengths.
func counted(k lib.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return "is less than " + decimal(k.Want)
	case *kind.Maximum:
		return "is more than " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "is no multiple of " + decimal(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("got %d characters, want at least %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("got %d characters, want at most %d", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("got %d elements, want at least %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("got %d elements, want at most %d", k.Got, k.Want)
	case *kind.AdditionalItems:
		return fmt.Sprintf("the last %d elements are too many", k.Count)
	case *kind.UniqueItems:
		return fmt.Sprintf("elements %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinContains:
		return fmt.Sprintf("%d elements fit contains, want at least %d", len(k.Got), k.Want)
	case *kind.MaxContains:
		return fmt.Sprintf("%d elements fit contains, want at most %d", len(k.Got), k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("got %d members, want at least %d", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("got %d members, want at most %d", k.Got, k.Want)
	}
	return strings.Join(append([]string{"doesn't fit"}, k.KeywordPath()...), " ")
}

// names shows a few names of members.
func names(all []string) string {
	const few = 3
	var b strings.Builder
	for i, n := range all {
		if i == few {
			fmt.Fprintf(&b, " and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", short(n))
	}
	return b.String()
}

// constants shows a few scalars of the schema.
func constants(all []any) string {
	const few = 5
	var b strings.Builder
	for i, v := range all {
		if i == few {
			fmt.Fprintf(&b, " and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		switch v := v.(type) {
		case string:
			fmt.Fprintf(&b, "%q", short(v))
		case nil:
			b.WriteString("null")
		case []any:
			b.WriteString("an array")
		case map[string]any:
			b.WriteString("an object")
		default:
			b.WriteString(short(fmt.Sprint(v)))
		}
	}
	return b.String()
}

// decimal is r as its schema may have written it.
func decimal(r *big.Rat) string {
	n, exact := r.FloatPrec()
	if !exact {
		return short(r.RatString())
	}
	return short(r.FloatString(n))
}

// badRegex finds a pattern of the schema that can't be used: the meta-schema says no more than that it is no regex.
func badRegex(e *lib.ValidationError) (error, bool) {
	if f, ok := e.ErrorKind.(*kind.Format); ok && f.Want == "regex" {
		text, _ := f.Got.(string)
		return fmt.Errorf("the pattern %q at %s can't be used: %w", short(text), pointer(e.InstanceLocation), f.Err), true
	}
	if p, ok := e.ErrorKind.(*kind.PropertyNames); ok && len(e.InstanceLocation) > 0 && e.InstanceLocation[len(e.InstanceLocation)-1] == "patternProperties" {
		return fmt.Errorf("the pattern %q at %s can't be used", short(p.Property), pointer(e.InstanceLocation)), true
	}
	for _, c := range e.Causes {
		if err, ok := badRegex(c); ok {
			return err, true
		}
	}
	return nil, false
}
