package jsonschema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	lib "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/millrace/millrace/serde"
)

// Limits of a schema with all its references. AWS Glue takes 170,000 characters a schema. Compiling
// takes time that grows with the square of the number of objects: 0.2 s for as many as these.
const (
	maxText    = 1 << 20 // bytes
	maxObjects = 10_000  // objects and booleans: each may be a schema
	maxValues  = 200_000
	maxDepth   = 128
)

// root is where a schema without an $id is, and what its references are relative to.
const root = "mem:///schema"

// A Schema is a compiled JSON Schema. It is safe for concurrent use.
type Schema struct {
	docs    *docs
	idle    chan *checker // compiled, and used by nobody now
	dynamic bool          // it has keywords whose meaning depends on where validation comes from
}

// maxIdle is how many compiled copies of a schema are kept: one for each goroutine that validates at the same time.
const maxIdle = 16

// Parse compiles a schema. It may refer to refs by their names, which are URLs or relative to the URL of what refers to them, and to the
// meta-schemas of json-schema.org, but to nothing else: nothing is loaded from a network or from files.
//
// A schema without $schema is read by draft 7, as Confluent's registry does. AWS Glue's own serializer, which takes drafts 4, 6 and 7,
// leaves that to the Everit library, which says draft 4 then and ignores what later drafts brought, const and if say. Schemas that
// rely on draft 4 where it differs have to say so.
//
// Patterns are Go's regular expressions, which take linear time; those with lookaround or back references are errors.
// Formats are checked up to draft 7, and from 2019-09 on only where the schema's vocabulary says so.
func Parse(text string, refs ...serde.Reference) (*Schema, error) {
	d, err := readAll(text, refs)
	if err != nil {
		return nil, fmt.Errorf("json schema: %w", err)
	}
	c, err := d.compile()
	if err != nil {
		return nil, fmt.Errorf("json schema: %w", err)
	}
	s := &Schema{docs: d, idle: make(chan *checker, maxIdle), dynamic: c.dynamic}
	s.idle <- c
	return s, nil
}

// docs are a schema and its references as the library takes them. They don't change.
type docs struct {
	text string
	main any
	refs []doc
}

type doc struct {
	name, url string
	value     any
}

// readAll parses the texts within the limits.
func readAll(text string, refs []serde.Reference) (*docs, error) {
	l := reading{values: maxValues, objects: maxObjects, bytes: maxText}
	main, err := l.read(text)
	if err != nil {
		return nil, err
	}
	d := &docs{text: text, main: main}
	base := baseURL(main)
	for _, r := range refs {
		v, err := l.read(r.Text)
		if err != nil {
			return nil, fmt.Errorf("reference %.200q: %w", r.Name, err)
		}
		u, err := base.Parse(r.Name)
		if err != nil {
			return nil, fmt.Errorf("the name of the reference %.200q is no URL", r.Name)
		}
		u.Fragment, u.RawFragment = "", ""
		d.refs = append(d.refs, doc{strings.TrimPrefix(r.Name, "./"), u.String(), v})
	}
	return d, nil
}

// baseURL is what relative references in the schema are relative to.
func baseURL(main any) *url.URL {
	base, err := url.Parse(root)
	if err != nil {
		panic(err) // root is a constant
	}
	obj, _ := main.(map[string]any)
	for _, key := range []string{"$id", "id"} {
		if id, ok := obj[key].(string); ok {
			if u, err := base.Parse(id); err == nil {
				return u
			}
		}
	}
	return base
}

// reading is what is left of the limits.
type reading struct{ values, objects, bytes int }

func (l *reading) read(text string) (any, error) {
	if l.bytes -= len(text); l.bytes < 0 {
		return nil, fmt.Errorf("it has more than %d bytes", maxText)
	}
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{Depth: maxDepth, Nodes: maxValues})
	if err != nil {
		return nil, err
	}
	var n counts
	plain, err := n.plain(v)
	if err != nil {
		return nil, err
	}
	l.values -= n.values
	if l.objects -= n.objects; l.objects < 0 || l.values < 0 {
		return nil, fmt.Errorf("it is too large: more than %d objects or %d values", maxObjects, maxValues)
	}
	return plain, nil
}

// compile makes a copy of the compiled schema.
func (d *docs) compile() (*checker, error) {
	c := &checker{}
	compiler := lib.NewCompiler()
	compiler.DefaultDraft(lib.Draft7)
	compiler.UseLoader(d)
	patterns := maxPatterns
	compiler.UseRegexpEngine(func(text string) (lib.Regexp, error) { return c.compilePattern(text, &patterns) })
	if err := compiler.AddResource(root, d.main); err != nil {
		return nil, inWords(err)
	}
	s, err := compiler.Compile(root)
	if err != nil {
		return nil, inWords(err)
	}
	c.schema = s
	c.watch()
	return c, nil
}

// missing is the error of a reference to what isn't there.
type missing struct{ url string }

func (m *missing) Error() string {
	return fmt.Sprintf("the schema refers to %.200q, which is not among its references", strings.TrimPrefix(m.url, "mem:///"))
}

// Load is the library's way to ask for what a schema refers to.
func (d *docs) Load(u string) (any, error) {
	for _, r := range d.refs {
		if r.url == u || r.name == u {
			return r.value, nil
		}
	}
	for _, r := range d.refs { // a reference that refers to another, and has an $id elsewhere
		if strings.HasSuffix(u, "/"+r.name) {
			return r.value, nil
		}
	}
	return nil, &missing{u}
}

// inWords says in this package's words what the library found wrong with a schema.
func inWords(err error) error {
	var (
		load    *lib.LoadURLError
		invalid *lib.SchemaValidationError
		regex   *lib.InvalidRegexError
		cause   *lib.ValidationError
	)
	switch {
	case errors.As(err, &load):
		return &missing{load.URL}
	case errors.As(err, &regex):
		return fmt.Errorf("the pattern %.100q can't be used: %w", regex.Regex, regex.Err)
	case errors.As(err, &invalid) && errors.As(invalid.Err, &cause):
		if why, ok := badRegex(cause); ok {
			return why
		}
		return fmt.Errorf("it is no valid schema: %s", describe(cause))
	}
	return fmt.Errorf("%.300s", strings.ReplaceAll(err.Error(), root+"#", "#"))
}
