// Package pattern matches events against event patterns as Amazon EventBridge has them, so that an event that no rule takes needn't be sent.
//
//	{"source": ["kafka-connect.fraud"], "detail": {"value": {"amount": [{"numeric": [">", 100]}]}}}
//
// A pattern is an object. Every field it names must be in the event, at the same place, and hold one of the values in the field's list. A list
// holds texts, numbers, true, false, null, and objects of one operator: anything-but, cidr, equals-ignore-case, exists, numeric, prefix,
// suffix, wildcard. $or takes a list of objects, of which one must match.
//
// # Where AWS's documentation leaves room
//
// Rules that AWS's user guide doesn't give are those of the matcher that AWS publishes (github.com/aws/event-ruler 2.0.1):
//
//   - A field's values are the scalars at its place; in a list, nested ones too, each of them. A field that holds an object, or an empty list, has no value: it
//     doesn't exist, and no operator but {"exists": false} matches it.
//   - Fields inside the objects of a list must match in one and the same object. {"exists": false} looks at that object where a field before it, in the
//     order of their full names, was found in one, and at the whole list otherwise.
//   - Names are joined by dots: {"a": {"b": [1]}} and {"a.b": [1]} mean the same, in patterns and in events.
//   - Equal letters are those that the pattern's letter has as its lower or upper case, by Unicode, without regard to a locale.
//   - A text that is an IP address matches every way to write that address.
//
// A record that is dropped is lost, and one that is sent in vain costs a little. So where AWS's sources differ, what matches more counts, but for the last two points:
//
//   - Numbers are compared by what they are: 300, 300.0 and 3e2 are equal. The user guide says they aren't, the service and the published matcher say they are.
//   - Numbers are exact. The user guide bounds numeric matching to numbers from -5e9 to 5e9 with 15 digits, the published matcher to what a
//     float64 holds. Patterns take what the published matcher takes, and an event's number is compared whatever its size.
//   - Characters beyond U+FFFF equal themselves. They have no case here, and the published matcher never finds them equal.
//   - Two fields whose dotted names lead to two places of the event may be found in different objects of a list.
//   - cidr takes addresses of the network and nothing else. The published matcher also takes some numbers and addresses of the other family for 0.0.0.0/0 and ::/0.
//   - A field that the pattern takes both for values and for objects, as $or allows, binds no objects by its values. In the published matcher values in lists of lists do.
//
// What AWS accepts and this package refuses: a name that comes twice in an object, or a field that comes twice by way of dots or of $or (AWS takes
// only one of them), and empty lists in anything-but.
package pattern
