// Package ast holds the syntax tree of a rule.
//
// The nodes are named and shaped as those of github.com/expr-lang/expr/ast. That
// package isn't used because it links expr's functions, which look methods up by
// name at run time: with one such call in a program the linker has to keep every
// exported method of every type, half as much again as the program needs.
package ast

import (
	"fmt"
	"strconv"

	"github.com/expr-lang/expr/file"
)

// A Node is a part of an expression.
type Node interface {
	// Location is where the part, or its operator, stands: from and to in runes.
	Location() file.Location
}

// A Place is the Location of the node that embeds it.
type Place file.Location

// Location implements Node.
func (p Place) Location() file.Location { return file.Location(p) }

// NilNode is nil.
type NilNode struct{ Place }

// BoolNode is true or false.
type BoolNode struct {
	Place
	Value bool
}

// IntegerNode is a number without a fraction and an exponent.
type IntegerNode struct {
	Place
	Value int
}

// FloatNode is any other number. Its Place covers the text, which may be more exact than Value.
type FloatNode struct {
	Place
	Value float64
}

// StringNode is a text, or the name in a.name and in {name: b}.
type StringNode struct {
	Place
	Value string
}

// BytesNode is b"...".
type BytesNode struct {
	Place
	Value []byte
}

// IdentifierNode is the name of a root or of a variable.
type IdentifierNode struct {
	Place
	Value string
}

// PointerNode is #, and what stands before the dot in a predicate's .name; Name is "index" in #index.
type PointerNode struct {
	Place
	Name string
}

// MemberNode is Node.Property, where Property is a StringNode, and Node[Property].
type MemberNode struct {
	Place
	Node     Node
	Property Node
	Optional bool // Node?.Property and Node?.[Property]
}

// ChainNode is around members of which at least one is optional.
type ChainNode struct {
	Place
	Node Node
}

// SliceNode is Node[From:To]; From and To are nil where they are left out.
type SliceNode struct {
	Place
	Node     Node
	From, To Node
}

// UnaryNode is an operator before its operand. "a not in b" is a "not" around an "in".
type UnaryNode struct {
	Place
	Operator string
	Node     Node
}

// BinaryNode is an operator between its operands. "a < b < c" is "a < b && b < c" with one node b.
type BinaryNode struct {
	Place
	Operator    string
	Left, Right Node
}

// ConditionalNode is Cond ? Exp1 : Exp2 and if Cond { Exp1 } else { Exp2 }. In
// "Cond ?: Exp2", Exp1 is the node Cond itself.
type ConditionalNode struct {
	Place
	Cond, Exp1, Exp2 Node
}

// CallNode is Name(Arguments), and the first of them | Name(the others).
type CallNode struct {
	Place
	Name      string
	Arguments []Node
}

// PredicateNode is the argument that a function such as filter evaluates for each element.
type PredicateNode struct {
	Place
	Node Node
}

// VariableDeclaratorNode is let Name = Value; Expr.
type VariableDeclaratorNode struct {
	Place
	Name        string
	Value, Expr Node
}

// ArrayNode is [a, b].
type ArrayNode struct {
	Place
	Nodes []Node
}

// MapNode is {name: a, "other name": b}.
type MapNode struct {
	Place
	Pairs []Pair
}

// A Pair is one member of a MapNode. Key is a StringNode, except in {(Key): Value}.
type Pair struct{ Key, Value Node }

// What is shown as it is written: literals and names.

func (n *NilNode) String() string        { return "nil" }
func (n *BoolNode) String() string       { return strconv.FormatBool(n.Value) }
func (n *IntegerNode) String() string    { return strconv.Itoa(n.Value) }
func (n *FloatNode) String() string      { return fmt.Sprint(n.Value) }
func (n *StringNode) String() string     { return strconv.Quote(n.Value) }
func (n *IdentifierNode) String() string { return n.Value }
