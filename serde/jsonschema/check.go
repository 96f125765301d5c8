package jsonschema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	lib "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/millrace/millrace/serde"
)

// Validating takes at most freeSteps steps and stepsPerValue for each value and 1 for each byte of text in the document: a small schema
// that refers to itself twice (allOf with two equal $ref) would otherwise take a time that doubles with each level of a document.
// A step is one schema that one value is checked against, about a microsecond, or so much work with a pattern.
const (
	freeSteps     = 100_000
	stepsPerValue = 100

	patternWork = 256 // bytes of text times instructions of a pattern in a step
)

// Limits of patterns: instructions of one and of all of a schema. "a{1000}" has a thousand.
const (
	maxPattern  = 10_000
	maxPatterns = 100_000
	maxPatLen   = 10_000 // bytes
)

// A checker is a compiled schema that counts its steps. It is used by one goroutine at a time.
type checker struct {
	schema  *lib.Schema
	left    int // steps
	dynamic bool
	enums   map[*lib.Schema][]any // those that the library doesn't check
}

// tooMany is what a checker without steps panics with. The library has no other way to be stopped.
type tooMany struct{}

func (c *checker) step(n int) {
	if c.left -= n; c.left < 0 {
		panic(tooMany{})
	}
}

// Validate reports whether v, as AppendJSON writes it, is valid by s. The error names the first problems with JSON pointers to
// where they are. It holds parts of the schema and names of members, but none of v's contents.
func (s *Schema) Validate(v serde.Value) error {
	var n counts
	plain, err := n.plain(v)
	if err != nil {
		return fmt.Errorf("json schema: %w", err)
	}
	c, err := s.take()
	if err != nil {
		return fmt.Errorf("json schema: %w", err)
	}
	c.left = freeSteps + stepsPerValue*n.values + n.bytes
	err = c.validate(c.schema, plain)
	s.give(c)
	if err != nil {
		return fmt.Errorf("json schema: %w", err)
	}
	return nil
}

// validate checks a value against a schema of c.
func (c *checker) validate(s *lib.Schema, v any) (err error) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case tooMany:
			err = errors.New("validation takes too many steps: the schema refers to itself too often for a value that is nested so deep")
		default:
			panic(r)
		}
	}()
	err = s.Validate(v)
	var problems *lib.ValidationError
	if errors.As(err, &problems) {
		return errors.New(describe(problems))
	}
	return err
}

// take is a checker that nobody else uses.
func (s *Schema) take() (*checker, error) {
	select {
	case c := <-s.idle:
		return c, nil
	default:
		return s.docs.compile()
	}
}

func (s *Schema) give(c *checker) {
	select {
	case s.idle <- c:
	default:
	}
}

// watch makes every schema of c count a step when it is used. The library calls a format before it looks at any keyword that leads to other schemas.
func (c *checker) watch() {
	c.enums = map[*lib.Schema][]any{}
	seen := map[*lib.Schema]bool{c.schema: true}
	for todo := []*lib.Schema{c.schema}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s.RecursiveRef != nil || s.DynamicRef != nil {
			c.dynamic = true
		}
		c.watchOne(s)
		for next := range parts(s) {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
}

func (c *checker) watchOne(s *lib.Schema) {
	var format lib.Format
	if s.Format != nil {
		format = *s.Format
	}
	members := newMembers(s.Enum)
	if members != nil {
		c.enums[s] = s.Enum.Values
		s.Enum = nil // it would compare one after the other
	}
	s.Format = &lib.Format{Name: format.Name, Validate: func(v any) error {
		c.step(1)
		if members != nil && !members.has(v) {
			return errNotInEnum
		}
		if format.Validate == nil {
			return nil
		}
		return format.Validate(v)
	}}
}

// parts visits the schemas that s has as its parts or refers to.
func parts(s *lib.Schema) func(yield func(*lib.Schema) bool) {
	return func(yield func(*lib.Schema) bool) {
		var all []*lib.Schema
		all = append(all, s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties,
			s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema)
		if s.DynamicRef != nil {
			all = append(all, s.DynamicRef.Ref)
		}
		for _, list := range [][]*lib.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
			all = append(all, list...)
		}
		for _, byName := range []map[string]*lib.Schema{s.Properties, s.DependentSchemas} {
			for _, x := range byName {
				all = append(all, x)
			}
		}
		for _, x := range s.PatternProperties {
			all = append(all, x)
		}
		for _, x := range s.Dependencies {
			all = append(all, schemasOf(x)...)
		}
		for _, x := range []any{s.AdditionalProperties, s.AdditionalItems, s.Items} {
			all = append(all, schemasOf(x)...)
		}
		for _, x := range all {
			if x != nil && !yield(x) {
				return
			}
		}
	}
}

// schemasOf is what the library keeps as nil, bool, *Schema, []*Schema or []string.
func schemasOf(x any) []*lib.Schema {
	switch x := x.(type) {
	case *lib.Schema:
		return []*lib.Schema{x}
	case []*lib.Schema:
		return x
	}
	return nil
}

// A pattern counts what matching costs.
type pattern struct {
	c    *checker
	re   *regexp.Regexp
	size int // instructions
}

func (p *pattern) String() string { return p.re.String() }

func (p *pattern) MatchString(s string) bool {
	if p.c.schema != nil { // no schema yet: it is matched against the meta-schema's patterns
		p.c.step(len(s) * p.size / patternWork)
	}
	return p.re.MatchString(s)
}

// compilePattern makes a pattern within the limits. left is what is left for all patterns of the schema; a
// document's strings whose format is regex are charged as steps.
func (c *checker) compilePattern(text string, left *int) (lib.Regexp, error) {
	if len(text) > maxPatLen {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxPatLen)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	size := len(prog.Inst)
	if size > maxPattern {
		return nil, fmt.Errorf("the pattern has %d instructions, at most %d are possible", size, maxPattern)
	}
	if c.schema == nil {
		if *left -= size; *left < 0 {
			return nil, fmt.Errorf("the patterns of the schema have more than %d instructions", maxPatterns)
		}
	} else {
		c.step(size)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{c, re, size}, nil
}
