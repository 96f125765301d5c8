package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/serde"
)

func operators() []string {
	return []string{"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
}

// element compiles one element of a field's list.
func element(v serde.Value, at place) (test, error) {
	switch v.Kind() {
	case serde.Null:
		return test{op: isNull}, nil
	case serde.Bool:
		if yes, _ := v.Bool(); yes {
			return test{op: isTrue}, nil
		}
		return test{op: isFalse}, nil
	case serde.String:
		text := textOf(v)
		if a, ok := addressOf([]byte(text)); ok {
			return test{op: isAddress, network: netip.PrefixFrom(a, a.BitLen())}, nil
		}
		return test{op: isText, text: text}, nil
	case serde.Object:
		name, operand, err := only(v, at)
		if err != nil {
			return test{}, err
		}
		return operation(name, operand, at)
	case serde.Array:
		return test{}, at.errorf("is a list; the values of a field stand in one list")
	}
	return test{op: isNumber, low: limit{number: numberOf(v)}}, nil
}

// only is the one member of an object.
func only(v serde.Value, at place) (name string, operand serde.Value, err error) {
	if v.Len() != 1 {
		return "", operand, at.errorf("an operator is an object of one member, not of %d; each operator is its own element of the list", v.Len())
	}
	for name, operand := range v.Members() {
		return strings.Clone(name), operand, nil
	}
	return "", operand, nil
}

func operation(name string, v serde.Value, at place) (test, error) {
	inner := at.inside("." + name)
	switch name {
	case "exists":
		return existence(v, inner)
	case "numeric":
		return numbers(v, inner)
	case "anything-but":
		return nothingOf(v, inner)
	case "prefix", "suffix":
		if v.Kind() == serde.Object {
			return folded(name, v, inner)
		}
		return textTest(name, v, inner)
	case "equals-ignore-case", "wildcard", "cidr":
		return textTest(name, v, inner)
	}
	return test{}, at.errorf("there is no operator %.60q; there are %s", name, strings.Join(operators(), ", "))
}

func existence(v serde.Value, at place) (test, error) {
	yes, ok := v.Bool()
	switch {
	case !ok:
		return test{}, at.errorf("takes true or false, not %s", kindName(v))
	case yes:
		return test{op: exists}, nil
	}
	return test{op: missing}, nil
}

// folded compiles prefix and suffix with equals-ignore-case inside.
func folded(name string, v serde.Value, at place) (test, error) {
	inner, operand, err := only(v, at)
	if err != nil {
		return test{}, err
	}
	if inner != "equals-ignore-case" {
		return test{}, at.errorf("takes a text or equals-ignore-case, not %.60q", inner)
	}
	t, err := textTest(inner, operand, at.inside("."+inner))
	if t.op = hasPrefixFold; name == "suffix" {
		t.op = hasSuffixFold
	}
	return t, err
}

// textTest compiles an operator that takes one text.
func textTest(name string, v serde.Value, at place) (test, error) {
	if v.Kind() == serde.Array {
		return test{}, at.errorf(`takes one text, not a list; write {%q: ...} for each, as elements of the field's list`, name)
	}
	if v.Kind() != serde.String {
		return test{}, at.errorf("takes a text, not %s", kindName(v))
	}
	t := test{text: textOf(v)}
	var err error
	switch name {
	case "prefix":
		t.op = hasPrefix
	case "suffix":
		t.op = hasSuffix
	case "equals-ignore-case":
		t.op, t.letters = equalsFold, letters(t.text)
	case "wildcard":
		t.op = wildcard
		t.parts, err = parts(t.text)
	case "cidr":
		t.op = isAddress
		t.network, err = network(t.text)
	}
	if err != nil {
		return t, at.errorf("%q: %w", t.text, err)
	}
	return t, nil
}

func textOf(v serde.Value) string {
	text, _ := v.Text()
	return string(text)
}

// parts splits a wildcard at its asterisks.
func parts(text string) ([][]byte, error) {
	all := [][]byte{nil}
	for i := 0; i < len(text); i++ {
		c, last := text[i], len(all)-1
		switch {
		case c == '*' && strings.HasPrefix(text[i+1:], "*"):
			return nil, errors.New(`two asterisks follow one another; one stands for any characters, \* for itself`)
		case c == '*':
			all = append(all, nil)
			continue
		case c == '\\':
			i++
			if i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, errors.New(`a backslash stands before an asterisk or a backslash only; in JSON it is written twice`)
			}
			c = text[i]
		}
		all[last] = append(all[last], c)
	}
	return all, nil
}

// network reads a network such as 10.0.0.0/24. Its size is bounded as EventBridge has it: single addresses are no networks.
func network(text string) (netip.Prefix, error) {
	host, size, ok := strings.Cut(text, "/")
	a, isAddress := addressOf([]byte(host))
	bits, err := strconv.ParseUint(size, 10, 8)
	switch {
	case !ok || !isAddress || err != nil:
		return netip.Prefix{}, errors.New("isn't a network, such as 10.0.0.0/24 or 2001:db8::/32")
	case int(bits) >= a.BitLen():
		return netip.Prefix{}, fmt.Errorf("EventBridge takes at most /%d; write a single address as a text", a.BitLen()-1)
	}
	return netip.PrefixFrom(a, int(bits)), nil
}

// nothingOf compiles anything-but.
func nothingOf(v serde.Value, at place) (test, error) {
	name := ""
	if v.Kind() == serde.Object {
		var err error
		if name, v, err = only(v, at); err != nil {
			return test{}, err
		}
		if !slices.Contains([]string{"equals-ignore-case", "prefix", "suffix", "wildcard"}, name) {
			return test{}, at.errorf("takes values, or one of equals-ignore-case, prefix, suffix, wildcard, not %.60q", name)
		}
		at = at.inside("." + name)
	}
	t := test{op: anythingBut}
	if v.Kind() != serde.Array {
		one, err := excluded(name, v, at)
		t.not = []test{one}
		return t, err
	}
	i := 0
	for e := range v.Elements() {
		one, err := excluded(name, e, at.index(i))
		if err != nil {
			return t, err
		}
		if t.not = append(t.not, one); (one.op == isNumber) != (t.not[0].op == isNumber) {
			return t, at.errorf("takes only texts or only numbers")
		}
		i++
	}
	if i == 0 {
		return t, at.errorf("the list is empty")
	}
	return t, nil
}

// excluded compiles one value of anything-but.
func excluded(name string, v serde.Value, at place) (test, error) {
	switch k := v.Kind(); {
	case name != "":
		if k == serde.String && v.Len() == 0 && (name == "prefix" || name == "suffix") {
			return test{}, at.errorf("is empty, which every text begins with and ends in")
		}
		return textTest(name, v, at)
	case k == serde.String:
		return test{op: isText, text: textOf(v)}, nil
	case k == serde.Int64 || k == serde.Float64 || k == serde.Decimal:
		n, err := comparable(v, at)
		return test{op: isNumber, low: limit{number: n}}, err
	}
	return test{}, at.errorf("takes texts and numbers, not %s", kindName(v))
}

// numbers compiles numeric.
func numbers(v serde.Value, at place) (test, error) {
	t := test{op: numeric}
	if n := v.Len(); v.Kind() != serde.Array || n != 2 && n != 4 {
		return t, at.errorf(`takes a list such as [">", 0] or [">", 0, "<=", 5]`)
	}
	for i := 0; i < v.Len(); i += 2 {
		sign, n := v.Index(i), v.Index(i+1)
		number, err := comparable(n, at.index(i+1))
		if err != nil {
			return t, err
		}
		end := limit{number, true, false}
		text, _ := sign.Text()
		switch string(text) {
		case "=":
			t.op, t.low = isNumber, end
		case ">=":
			end.inclusive = true
			fallthrough
		case ">":
			t.low = end
		case "<=":
			end.inclusive = true
			fallthrough
		case "<":
			t.high = end
		default:
			return t, at.index(i).errorf("is %s, not one of = < <= > >=", show(sign))
		}
	}
	return t, t.checkRange(v, at)
}

// checkRange refuses what EventBridge takes for no range: anything but > or >= and then < or <=, with numbers between them.
func (t *test) checkRange(v serde.Value, at place) error {
	if v.Len() == 2 {
		return nil
	}
	first, _ := v.Index(0).Text()
	if !t.low.set || !t.high.set || first[0] != '>' {
		return at.errorf("a range is > or >= and then < or <=")
	}
	if t.low.compare(&t.high.decimal) >= 0 {
		return at.errorf("there is no number between %s and %s", show(v.Index(1)), show(v.Index(3)))
	}
	return nil
}

// comparable is a number that the published matcher takes for comparisons: one that a float64 holds, to its shortest text.
func comparable(v serde.Value, at place) (number, error) {
	n := numberOf(v)
	f, ok := v.Float64()
	switch k := v.Kind(); {
	case k != serde.Int64 && k != serde.Float64 && k != serde.Decimal:
		return n, at.errorf("is %s, not a number", show(v))
	case ok:
		near := decimalOf(strconv.AppendFloat(nil, f, 'e', -1, 64))
		ok = near.compare(&n.decimal) == 0
	}
	if !ok {
		return n, at.errorf("%s: EventBridge compares numbers that a float64 holds, of about 15 digits", show(v))
	}
	return n, nil
}

func numberOf(v serde.Value) number {
	text, _ := v.Number()
	n := number{decimal: decimalOf(bytes.Clone(text))}
	n.n, n.whole = v.Int64()
	return n
}
