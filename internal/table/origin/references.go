package origin

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/serde"
)

// Bounds of a JSON Schema with all that it refers to, as serde/jsonschema has them.
const (
	maxSchemaBytes  = 1 << 20
	maxSchemaValues = 200_000
	maxReferences   = 1000

	documentURL = "mem:///schema" // of a schema without an $id
)

// A subschema is a schema inside a JSON Schema.
type subschema struct {
	v    serde.Value
	base *url.URL // what its references are relative to
}

// documents are a JSON Schema and those that it may refer to.
type documents struct {
	main subschema
	at   map[string]subschema // by URL: documents, and what has an $id or an $anchor
	refs []reference

	members map[serde.Value]map[string]serde.Value // of large objects that references lead through
	found   map[string]subschema                   // documents by the URLs that references had
}

type reference struct {
	name string
	is   subschema
}

// readDocuments parses a schema with its references. Members keep their order.
func readDocuments(s *serde.Schema) (*documents, error) {
	if len(s.References) > maxReferences {
		return nil, fmt.Errorf("the schema has %d references, at most %d are possible", len(s.References), maxReferences)
	}
	d := &documents{at: map[string]subschema{}, members: map[serde.Value]map[string]serde.Value{}, found: map[string]subschema{}}
	tape, left := serde.NewTape(), maxSchemaBytes
	read := func(text string) (serde.Value, error) {
		if left -= len(text); left < 0 {
			return serde.Value{}, fmt.Errorf("it has more than %d bytes", maxSchemaBytes)
		}
		return tape.JSON([]byte(text), serde.Limits{Nodes: maxSchemaValues})
	}
	v, err := read(s.Text)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(documentURL)
	if err != nil {
		return nil, err
	}
	d.main = d.add(v, base)
	for _, r := range s.References {
		if v, err = read(r.Text); err != nil {
			return nil, fmt.Errorf("reference %.200q: %w", r.Name, err)
		}
		u, err := d.main.base.Parse(r.Name)
		if err != nil {
			return nil, fmt.Errorf("the name of the reference %.200q is no URL", r.Name)
		}
		d.refs = append(d.refs, reference{strings.TrimPrefix(r.Name, "./"), d.add(v, withoutFragment(u))})
	}
	return d, nil
}

// add makes a document known by the URL that it is referred to with, and what is in it by its own.
func (d *documents) add(v serde.Value, base *url.URL) subschema {
	d.set(base.String(), subschema{v, base})
	d.index(v, base)
	return subschema{v, inner(v, base)}
}

// set keeps the first: what comes later can't take its place.
func (d *documents) set(key string, s subschema) {
	if _, ok := d.at[key]; !ok {
		d.at[key] = s
	}
}

// index finds what has an $id or an $anchor.
func (d *documents) index(v serde.Value, base *url.URL) {
	for e := range v.Elements() {
		d.index(e, base)
	}
	if v.Kind() != serde.Object {
		return
	}
	if id := identity(v); id != "" {
		if u, err := base.Parse(id); err == nil {
			d.set(strings.TrimSuffix(u.String(), "#"), subschema{v, base})
		}
	}
	base = inner(v, base)
	for _, key := range []string{"$anchor", "$dynamicAnchor"} {
		if name := text(v.Field(key)); name != "" {
			d.set(base.String()+"#"+name, subschema{v, base})
		}
	}
	for name, m := range v.Members() {
		switch name {
		case "enum", "const", "default", "examples": // they hold data
		default:
			d.index(m, base)
		}
	}
}

// identity is the $id of a schema, which drafts 3 and 4 call id.
func identity(v serde.Value) string {
	if id := text(v.Field("$id")); id != "" {
		return id
	}
	return text(v.Field("id"))
}

// inner is what references inside v are relative to.
func inner(v serde.Value, base *url.URL) *url.URL { return rebased(identity(v), base) }

func rebased(id string, base *url.URL) *url.URL {
	if id == "" || strings.HasPrefix(id, "#") {
		return base
	}
	u, err := base.Parse(id)
	if err != nil {
		return base
	}
	return withoutFragment(u)
}

func withoutFragment(u *url.URL) *url.URL {
	bare := *u
	bare.Fragment, bare.RawFragment = "", ""
	return &bare
}

// find is what a reference means (RFC 3986, RFC 6901). What isn't there by the URL that the reference is in is looked for by
// that of the whole schema: generators write an "id" into each part of a schema, which means something in draft 4 alone.
func (d *documents) find(ref string, base *url.URL) (subschema, error) {
	for _, b := range []*url.URL{base, d.main.base} {
		u, err := b.Parse(ref)
		if err != nil {
			return subschema{}, fmt.Errorf("the reference %.200q is no URL", ref)
		}
		if s, ok := d.resolve(u); ok {
			return s, nil
		}
	}
	return subschema{}, fmt.Errorf("the schema refers to %.200q, which is neither in it nor among its references", ref)
}

func (d *documents) resolve(u *url.URL) (subschema, bool) {
	bare := withoutFragment(u)
	if u.Fragment != "" && !strings.HasPrefix(u.Fragment, "/") {
		s, ok := d.at[bare.String()+"#"+u.Fragment]
		return s, ok
	}
	s, ok := d.document(bare.String())
	if !ok {
		return s, false
	}
	return d.follow(s, u.Fragment)
}

// document is that of a URL. A reference may have an $id elsewhere and be referred to by the name that it is registered with.
func (d *documents) document(key string) (subschema, bool) {
	if s, ok := d.at[key]; ok {
		return s, true
	}
	if s, ok := d.found[key]; ok {
		return s, s.v.Exists()
	}
	var s subschema
	if i := slices.IndexFunc(d.refs, func(r reference) bool { return r.name == key || strings.HasSuffix(key, "/"+r.name) }); i >= 0 {
		s = d.refs[i].is
	}
	d.found[key] = s
	return s, s.v.Exists()
}

// follow goes where a JSON pointer leads.
func (d *documents) follow(s subschema, pointer string) (subschema, bool) {
	if pointer == "" {
		return s, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		for _, key := range []string{"id", "$id"} {
			s.base = rebased(text(d.member(s.v, key)), s.base)
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if s.v.Kind() == serde.Array {
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil {
				return s, false
			}
			s.v = s.v.Index(int(i))
		} else {
			s.v = d.member(s.v, token)
		}
	}
	return s, s.v.Exists()
}

// member is that of an object. The members of large ones, of thousands of definitions say, are found by a map.
func (d *documents) member(of serde.Value, name string) serde.Value {
	const few = 64
	if of.Len() <= few {
		return of.Field(name)
	}
	all, ok := d.members[of]
	if !ok {
		all = make(map[string]serde.Value, of.Len())
		for borrowed, m := range of.Members() {
			all[borrowed] = m
		}
		d.members[of] = all
	}
	return all[name]
}

// text is a copy of a String, "" of any other value.
func text(v serde.Value) string {
	if v.Kind() != serde.String {
		return ""
	}
	s, _ := v.Text()
	return string(s)
}
