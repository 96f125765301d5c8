package dynamodb

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// A dynamoExpression is the expressions of a request, read as DynamoDB reads them, as far as the sink uses its language.
type dynamoExpression struct {
	text          string // what is still to be read
	condition     string
	changes       string
	names, values map[string]any
	used          map[string]bool
	item          attributes
}

func expressionOf(body map[string]any) *dynamoExpression {
	x := &dynamoExpression{used: map[string]bool{}}
	x.condition, _ = body["ConditionExpression"].(string)
	x.changes, _ = body["UpdateExpression"].(string)
	x.names, _ = body["ExpressionAttributeNames"].(map[string]any)
	x.values, _ = body["ExpressionAttributeValues"].(map[string]any)
	return x
}

// unused names and values are an error of DynamoDB's.
func (x *dynamoExpression) unused() error {
	for _, m := range []map[string]any{x.names, x.values} {
		for name := range m {
			if !x.used[name] {
				return fmt.Errorf("Value unused in expressions: %s", name)
			}
		}
	}
	return nil
}

// holds evaluates the condition; without one it is true.
func (x *dynamoExpression) holds(item attributes) (ok bool, err error) {
	if x.condition == "" {
		return true, nil
	}
	defer x.rescue(&err)
	x.text, x.item = x.condition, item
	ok = x.or()
	if x.text != "" {
		return false, fmt.Errorf("Syntax error near: %s", x.text)
	}
	return ok, nil
}

// A syntax error ends the reading of an expression.
type syntax string

func (x *dynamoExpression) rescue(err *error) {
	if p := recover(); p != nil {
		s, ok := p.(syntax)
		if !ok {
			panic(p)
		}
		*err = fmt.Errorf("%s", string(s))
	}
}

func (x *dynamoExpression) or() bool {
	ok := x.and()
	for x.take("OR") {
		right := x.and()
		ok = ok || right
	}
	return ok
}

func (x *dynamoExpression) and() bool {
	ok := x.term()
	for x.take("AND") {
		right := x.term()
		ok = ok && right
	}
	return ok
}

func (x *dynamoExpression) term() bool {
	switch {
	case x.take("attribute_not_exists"):
		x.want("(")
		_, there := x.path()
		x.want(")")
		return !there
	case x.take("("):
		ok := x.or()
		x.want(")")
		return ok
	}
	left, there := x.path()
	for _, operator := range []string{"<>", "<=", ">=", "<", ">", "="} {
		if x.take(operator) {
			return compare(operator, left, x.value(), there)
		}
	}
	panic(syntax("no operator near: " + x.text))
}

// compare is as DynamoDB's: values of another type, or that aren't there, are neither less nor more.
func compare(operator string, left, right any, there bool) bool {
	order, same := 0, false
	l, _ := left.(map[string]any)
	r, _ := right.(map[string]any)
	if there {
		if a, ok := l["N"].(string); ok {
			b, is := r["N"].(string)
			if same = is; same {
				m, _ := new(big.Rat).SetString(a)
				n, _ := new(big.Rat).SetString(b)
				order = m.Cmp(n)
			}
		} else if a, ok := l["S"].(string); ok {
			b, is := r["S"].(string)
			if same = is; same {
				order = strings.Compare(a, b)
			}
		}
	}
	switch operator {
	case "=":
		return same && order == 0
	case "<>":
		return !same || order != 0
	case "<":
		return same && order < 0
	case "<=":
		return same && order <= 0
	case ">":
		return same && order > 0
	}
	return same && order >= 0
}

func (x *dynamoExpression) take(word string) bool {
	x.text = strings.TrimLeft(x.text, " ")
	rest, ok := strings.CutPrefix(x.text, word)
	if ok {
		x.text = strings.TrimLeft(rest, " ")
	}
	return ok
}

func (x *dynamoExpression) want(word string) {
	if !x.take(word) {
		panic(syntax("want " + word + " near: " + x.text))
	}
}

func (x *dynamoExpression) word(prefix string) string {
	x.text = strings.TrimLeft(x.text, " ")
	n := 1
	for n < len(x.text) && (x.text[n] >= '0' && x.text[n] <= '9' || x.text[n] >= 'a' && x.text[n] <= 'z') {
		n++
	}
	if !strings.HasPrefix(x.text, prefix) || n == 1 {
		panic(syntax("want " + prefix + "name near: " + x.text))
	}
	word := x.text[:n]
	x.text = strings.TrimLeft(x.text[n:], " ")
	x.used[word] = true
	return word
}

func (x *dynamoExpression) name() string {
	word := x.word("#")
	name, ok := x.names[word].(string)
	if !ok {
		panic(syntax("An expression attribute name used in the document path is not defined: " + word))
	}
	return name
}

func (x *dynamoExpression) value() any {
	word := x.word(":")
	v, ok := x.values[word]
	if !ok {
		panic(syntax("An expression attribute value used in expression is not defined: " + word))
	}
	return v
}

// path reads a path, and finds what is there.
func (x *dynamoExpression) path() (v any, there bool) {
	v, there = x.item[x.name()]
	for x.take(".") {
		name := x.name()
		m, _ := v.(map[string]any)
		members, _ := m["M"].(map[string]any)
		v, there = members[name]
	}
	return v, there
}

// update changes the item by the UpdateExpression.
func (x *dynamoExpression) update(item attributes) (err error) {
	defer x.rescue(&err)
	x.text = x.changes
	changed := map[string]bool{}
	change := func() string {
		name := x.name()
		if changed[name] {
			panic(syntax("Two document paths overlap with each other: " + name))
		}
		changed[name] = true
		return name
	}
	each := func(f func()) {
		for f(); x.take(","); {
			f()
		}
	}
	if x.take("SET") {
		each(func() {
			name := change()
			x.want("=")
			item[name] = x.value()
		})
	}
	if x.take("REMOVE") {
		each(func() { delete(item, change()) })
	}
	if x.take("ADD") {
		each(func() {
			name := change()
			item[name] = added(item[name], x.value())
		})
	}
	return nil
}

func added(old, more any) any {
	plus := more.(map[string]any)
	was, _ := old.(map[string]any)
	for kind, v := range plus {
		if old != nil && was[kind] == nil {
			panic(syntax("An operand in the update expression has an incorrect data type"))
		}
		if kind == "N" {
			sum, _ := new(big.Rat).SetString(v.(string))
			if text, ok := was["N"].(string); ok {
				n, _ := new(big.Rat).SetString(text)
				sum.Add(sum, n)
			}
			text := sum.FloatString(20)
			return map[string]any{"N": strings.TrimSuffix(strings.TrimRight(text, "0"), ".")}
		}
		list, _ := was[kind].([]any)
		list = slices.Clone(list)
		for _, e := range v.([]any) {
			if !slices.Contains(list, e) {
				list = append(list, e)
			}
		}
		return map[string]any{kind: list}
	}
	return old
}
