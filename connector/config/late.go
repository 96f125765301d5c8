package config

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// A need is a setting whose text is kept in a secret store, and must be known to decode it.
type need struct {
	node   *node
	what   string
	source secret.Source
}

// late is what a choice is decoded again by when the texts that it needs are read. Until then placeholders stand in its Config, and its
// Validate wasn't called. It isn't changed.
type late struct {
	decoder decoder
	field   field
	needs   []need
}

// Resolve reads what a secret store keeps of the connector's settings that aren't secret, and of secrets of handlers and decoders, and checks the settings that
// hold them; c itself is returned if there are none. Open does this; it is for who takes a Choice's Config from a connector. Mistakes
// are Problems, and systemic; other errors have the store's class.
func (c *Connector) Resolve(ctx context.Context) (*Connector, error) { return c.resolve(ctx, true) }

// resolve leaves source and dead letter as they are unless both ends are needed.
func (c *Connector) resolve(ctx context.Context, ends bool) (*Connector, error) {
	out := *c
	out.Handlers, out.Overrides = slices.Clone(c.Handlers), slices.Clone(c.Overrides)
	all := []*Choice{&out.Decode.Key, &out.Decode.Value, &out.Sink}
	if ends {
		all = append(all, &out.Source, &out.DeadLetter)
	}
	all = appendEach(all, out.Handlers)
	for i := range out.Overrides {
		o := &out.Overrides[i]
		if o.Sink != nil {
			sink := *o.Sink
			o.Sink = &sink
			all = append(all, o.Sink)
		}
		if o.Handlers != nil {
			handlers := slices.Clone(*o.Handlers)
			o.Handlers = &handlers
			all = appendEach(all, handlers)
		}
	}
	found := false
	for _, choice := range all {
		if choice.late == nil {
			continue
		}
		found = true
		var err error
		if *choice, err = choice.resolve(ctx); err != nil {
			return nil, err
		}
	}
	if !found {
		return c, nil
	}
	return &out, nil
}

func appendEach(all []*Choice, choices []Choice) []*Choice {
	for i := range choices {
		all = append(all, &choices[i])
	}
	return all
}

// resolve reads what the choice needs and decodes it again.
func (c *Choice) resolve(ctx context.Context) (Choice, error) {
	var ps Problems
	d := c.late.decoder
	d.texts, d.problems = map[*node]string{}, &ps
	for _, n := range c.late.needs {
		if _, ok := d.texts[n.node]; ok {
			continue // an alias
		}
		text, err := n.source.Read(ctx, "")
		if err != nil {
			at := &Problem{File: n.node.at.text.name, Line: n.node.at.line, Column: n.node.at.column}
			return Choice{}, fmt.Errorf("%s: %s: read %s: %w", at.Place(), n.what, n.source, err)
		}
		d.texts[n.node] = text
		d.hidden = append(d.hidden, hidden{text, placeholder(n.source)})
	}
	out := d.settle(c.plugin, c.late.field)
	return out, connector.Systemic.Wrap(ps.err())
}

// settle decodes and checks the settings of a plugin. f has them, below the plugin's name.
func (d *decoder) settle(p *Plugin, f field) Choice {
	inner := *d
	inner.kind, inner.live, inner.needs = p.Kind, p.live, nil
	c := Choice{Name: p.Name, Config: p.defaults(d.name), plugin: p}
	before := len(*d.problems)
	inner.value(f.value, reflect.ValueOf(c.Config).Elem(), setting{}, string(p.Kind)+" "+p.Name)
	switch {
	case len(inner.needs) > 0:
		d.needs = append(d.needs, inner.needs...) // of the choice around this one, if there is one
		c.late = &late{decoder: *d, field: f, needs: inner.needs}
		c.late.decoder.hidden = nil
	case len(*d.problems) == before:
		inner.validate(c, f)
	}
	return c
}

// A hidden text may not show in a message; its placeholder does.
type hidden struct{ text, placeholder string }

// forms are those in which the text may show: as it is, quoted, and its parts.
func (h hidden) forms() []hidden {
	var all []hidden
	add := func(t string) {
		if t = strings.TrimSpace(t); t != "" {
			quoted := strconv.Quote(t)
			all = append(all, hidden{t, h.placeholder}, hidden{quoted[1 : len(quoted)-1], h.placeholder})
		}
	}
	add(h.text)
	for part := range strings.FieldsFuncSeq(h.text, func(r rune) bool { return r == ',' || r == '\n' }) {
		add(part)
	}
	return all
}

// leastPiece is the length in bytes of a piece of a text that may not show. Shorter ones are parts of common words.
const leastPiece = 6

var short = regexp.MustCompile(`^[\pL\pN_]{1,3}$`)

// conceal puts placeholders where a message quotes texts. Where a piece of one is left, as of a URL that was taken apart, nothing
// else is left of the message. name is what it begins with: a setting.
func conceal(name, message string, all []hidden) string {
	var forms []hidden
	for _, h := range all {
		forms = append(forms, h.forms()...)
	}
	slices.SortStableFunc(forms, func(a, b hidden) int { return len(b.text) - len(a.text) })
	rest := strings.TrimPrefix(message, name)
	for i, h := range forms {
		find := regexp.QuoteMeta(h.text)
		if short.MatchString(h.text) {
			find = `\b` + find + `\b` // not every "1" of the message
		}
		rest = regexp.MustCompile(find).ReplaceAllLiteralString(rest, mark(i))
	}
	for _, h := range all {
		if holdsPiece(rest, h.text) {
			return fmt.Sprintf("%s: %s can't be used here; what is wrong isn't shown, because it quotes the text", cmp.Or(strings.TrimSuffix(name, ":"), "settings"), h.placeholder)
		}
	}
	for i, h := range forms {
		rest = strings.ReplaceAll(rest, mark(i), h.placeholder)
	}
	return name + rest
}

// mark stands for a placeholder while pieces are looked for.
func mark(i int) string { return "\x00" + strconv.Itoa(i) + "\x00" }

// holdsPiece reports whether a piece of text is in message.
func holdsPiece(message, text string) bool {
	plain := strings.NewReplacer("https://", "", "http://", "")
	message, text = plain.Replace(strings.ToLower(message)), plain.Replace(strings.ToLower(text))
	for i := range len(message) - leastPiece + 1 {
		if strings.Contains(text, message[i:i+leastPiece]) {
			return true
		}
	}
	return false
}
