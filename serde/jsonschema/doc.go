// Package jsonschema validates values against JSON Schemas, drafts 4, 6, 7, 2019-09 and 2020-12, and decides whether
// what was valid by one schema is valid by another.
//
// The schemas are compiled by github.com/santhosh-tekuri/jsonschema. Around it this package makes sure that nothing is
// loaded from a network or a file system, that numbers stay exact, and that neither a schema nor a document can make validation
// take time or memory out of all proportion.
package jsonschema
