package rule

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Limits of an expression and of one evaluation. They are far above what a
// person writes and what a record needs; they only stop what would take a
// process down.
const (
	maxText  = 16 << 10 // bytes of an expression
	maxNodes = 2_000    // nodes of its syntax tree
	maxLoops = 16       // predicates within predicates
	maxWork  = 1 << 22  // steps of one evaluation: an element visited, 16 bytes of text read
	maxMade  = 16 << 20 // bytes of what one evaluation makes
	maxKept  = 1 << 20  // bytes of scratch memory kept between evaluations
)

// roots are the names that an expression knows.
const roots = "key value headers topic partition offset timestamp id connector"

// An Expr is a compiled expression. It is safe for concurrent use.
type Expr struct {
	text   string
	eval   evalFunc
	make   makeFunc
	truth  boolFunc
	root   string
	path   *serde.Path
	pure   bool
	frames sync.Pool
}

// Compile compiles an expression.
//
// What differs from expr-lang: only the roots of the package's documentation
// are known; a missing field, the comparison of a text with a number, integer
// overflow and division by zero are errors; numbers are exact; texts are cut by
// characters; work and memory are bounded by counts; no function gives another
// result at another time. An error shows the expression and the place in it.
func Compile(text string) (*Expr, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New(`the rule is empty: if it begins with "!", quote it, because YAML takes an unquoted !value.bad for a tag`)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("the rule has %d bytes, at most %d are allowed", len(text), maxText)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the rule isn't UTF-8")
	}
	c := &compiler{source: []rune(text)}
	e, err := c.expression(text)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", quoted(text), err)
	}
	return e, nil
}

// expression parses and compiles, and turns a panic into an error.
func (c *compiler) expression(text string) (e *Expr, err error) {
	defer func() {
		if p := recover(); p != nil {
			e, err = nil, fmt.Errorf("the expression can't be compiled: %v", p)
		}
	}()
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	e = &Expr{text: text}
	x := c.expr(tree)
	if c.err != nil {
		return nil, c.err.Bind(file.NewSource(text))
	}
	e.eval, e.make, e.truth = x.eval, x.maker(), c.condition(tree, x)
	slots, loops := c.slots, c.deepest
	e.root, e.path, e.pure = c.purePath(tree)
	e.frames.New = func() any {
		return &frame{vars: make([]val, slots), loops: make([]loop, loops)}
	}
	return e, nil
}

// String is the expression's text.
func (e *Expr) String() string { return e.text }

// Path reports whether the expression is a root alone, or a constant path into
// key or value that no "?." or "??" softens: then it gives the root's name and the path, nil for
// the root alone.
func (e *Expr) Path() (path *serde.Path, root string, ok bool) {
	return e.path, e.root, e.pure
}

// Eval evaluates the expression for the i-th record of b. The result is never
// Missing. It is a part of the record or stands on b's tape, and is valid as long
// as both are. An error names the expression and the field; it is the same at
// every replay.
func (e *Expr) Eval(b *connector.Batch, i int) (v serde.Value, err error) {
	f := e.begin(b, i)
	defer e.end(f, &err)
	v, ok := e.make(f)
	if !ok || f.err != nil {
		return serde.Value{}, f.err
	}
	return v, nil
}

// Value is Eval, but for an expression that is only a path (see Path): that isn't evaluated, and what isn't there is Missing, not an error.
func (e *Expr) Value(b *connector.Batch, i int) (serde.Value, error) {
	if !e.pure || e.root != "key" && e.root != "value" {
		return e.Eval(b, i)
	}
	r := b.At(i)
	v := r.Value
	if e.root == "key" {
		v = r.Key
	}
	if e.path != nil {
		v = v.Get(e.path)
	}
	return v, nil
}

// Bool is Eval of a condition. A result that isn't true or false is an error.
func (e *Expr) Bool(b *connector.Batch, i int) (ok bool, err error) {
	f := e.begin(b, i)
	defer e.end(f, &err)
	result, valid := e.truth(f)
	if !valid || f.err != nil {
		return false, f.err
	}
	return result, nil
}

// Text evaluates the expression and appends the result as a template shows it:
// texts bare, null as nothing, everything else as in JSON.
func (e *Expr) Text(dst []byte, b *connector.Batch, i int) (out []byte, err error) {
	f := e.begin(b, i)
	defer e.end(f, &err)
	v := e.eval(f)
	if v.kind == failed || f.err != nil {
		return dst, f.err
	}
	switch {
	case v.kind == serde.Null:
		return dst, nil
	case v.kind == serde.String:
		return append(dst, v.text...), nil
	case v.whole():
		return v.v.AppendText(dst)
	}
	return f.appendText(dst, v), nil
}

func (e *Expr) begin(b *connector.Batch, i int) *frame {
	f := e.frames.Get().(*frame)
	f.batch, f.index, f.record, f.tape = b, i, b.At(i), b.Tape()
	return f
}

// end gives the frame back and names the expression in the error. Evaluation
// isn't meant to panic; if it does all the same, that is one record's error and not the process's end.
func (e *Expr) end(f *frame, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("evaluation failed: %v", p)
	}
	if *err != nil {
		*err = fmt.Errorf("rule %s: %w", quoted(e.text), *err)
	}
	f.reset()
	e.frames.Put(f)
}

// quoted is an expression as messages show it: quoted, and cut where it is long.
func quoted(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.ContainsAny(text, "\"\\") && !strings.ContainsAny(text, "`\n") {
		return "`" + text + "`"
	}
	return fmt.Sprintf("%q", text)
}
