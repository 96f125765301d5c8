// Package handlers has the transform rules of configuration files, and adapters
// for handlers written in Go.
//
// The rules are Config structs, one for each key of a file's list of handlers:
// Filter, Map, Set, Drop, Rename, Mask, Flatten and EventPattern. Validate compiles their
// expressions, Open makes the connector.Handler. Expressions are texts such as
// "value.distance_m / 1000"; their names are key, value, headers, topic,
// partition, offset, timestamp (milliseconds), id and connector.
//
//	handlers:
//	- filter: value.lat != 0 && value.lng != 0
//	- flatten: {path: value.items, as: item}
//	- map: {car: value.car_id, started: value.start_ts, km: value.distance_m / 1000}
//	- set: {pos.source: topic}
//	- rename: {car: car_id}
//	- drop: [started]
//	- mask: {value.phone: keep_last, value.vin: {method: hmac, key: "${MASK_KEY}"}}
//	- event_pattern: '{"detail": {"value": {"eventType": ["suspiciousActivity"]}}}'
//
// What is read stands with its root (value.phone); what is made is named without
// one, because only the value has fields that can be made.
//
// A rule that fails for a record is that record's permanent error: it names the rule
// and the field, and the record goes to the dead letter. Its neighbours go on.
//
// A tombstone, a record whose value is Kafka's null, has nothing that a rule could look at and
// passes the rules untouched, unless "tombstones: apply" asks for them. Mask is the exception for keys: the
// key of a tombstone is masked like any other, so that it still deletes what it means.
//
// In Go, a map from topic to handler (ByTopic, Funcs), a function over a decoded struct (Typed,
// Each) and a function of key and value (Func) are handlers too.
package handlers
