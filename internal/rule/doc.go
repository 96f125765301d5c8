// Package rule compiles the expressions of configuration files, such as
// "value.lat != 0 && value.lng != 0", and evaluates them over records.
//
// The syntax is that of expr-lang (github.com/expr-lang/expr), whose lexer and
// table of operators are used. The parser is this package's: expr's own makes
// the program half as large again (see package ast). The syntax tree is compiled
// to closures over serde.Value rather than to expr's bytecode, because a rule
// about records has to be stricter than that: see Compile for what differs.
// expr's parser, and its bytecode where the two agree, are the oracles of this
// package's tests.
//
// # Names
//
// An expression knows these roots and nothing else:
//
//	key        the record's key, as decoded
//	value      the record's value, as decoded; nil for a tombstone
//	headers    the record's headers: headers.name or headers["a-name"], as text; the last of equal names
//	topic      text
//	partition  integer
//	offset     integer
//	timestamp  the record's timestamp: milliseconds since 1970-01-01T00:00Z, an integer
//	id         "<topic id hex>-<partition>-<offset>-<index>", text
//	connector  the connector's name, text
//
// # Values
//
// Fields are reached by value.pos.lat, value["odd name"] and value.tags[0];
// tags[-1] is the last element. A field that is missing is an error; so is a
// member of null. "value?.pos?.lat" gives nil instead, for the steps marked by
// "?.", and so does "value.pos.lat ?? 0" for all of them.
//
// Numbers are exact: integers have 64 bits and overflow is an error, numbers
// that neither an integer nor a float64 holds are decimals, and a comparison
// looks at the number, not at its type. The quotient of two integers is a
// float64, or an integer where it is whole and beyond 2^53. A float64 stands
// for its shortest decimal text. Sums, differences and products with a decimal
// are exact up to 1,000 digits; its quotients have 34.
//
// == and != compare values of one kind. nil equals only null. Everything else,
// a text and a number say, can't be compared: that is an error that names both.
// Within lists ("x in [1, 2]") other kinds are just different, except that a
// text isn't looked for among numbers, nor a number among texts, unless it is
// found all the same. Objects are equal when they have the same members in any
// order. < and > take two numbers, two texts (byte by byte) or two times.
//
// Texts are counted, indexed and cut by characters (runes): len(s), s[0], s[:3].
//
// # Functions
//
// Texts: len lower upper trim trimPrefix trimSuffix split join replace repeat
// indexOf lastIndexOf hasPrefix hasSuffix, and the operators contains,
// startsWith, endsWith, matches (RE2; the pattern is a constant), + (joins).
//
// Numbers: abs ceil floor round(x) round(x, digits) min max sum.
//
// Kinds: int float decimal string type date(text or milliseconds) toJSON
// fromJSON toBase64 fromBase64. int(date) is in milliseconds.
//
// Lists: all any none one filter map count find findIndex findLast
// findLastIndex sum reduce, each with a predicate in which # is the element and
// .name its field; len first last take concat flatten reverse uniq; keys and
// values of objects. "x in list", "name in object", "n in 1..10".
//
// Besides: cond ? a : b, if cond { a } else { b }, let x = value.a; x + 1,
// [a, b], {name: a}, and pipes: value.tags | filter(# != "") | len().
//
// # Limits
//
// The work of one evaluation is counted, never timed, and so is the memory of
// what it makes: the same record ends the same way at every replay. There is no
// now() and nothing random. The limits are the constants of this package.
package rule
