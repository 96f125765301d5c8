// Package config reads Millrace's configuration files: YAML, strict, each document one connector.
//
// A file is parsed, its choices (which source, which sink, which handlers) are looked up in a Registry, and
// each choice's own Config struct, the same one that embedders fill, is decoded over its defaults and
// validated. Every mistake is reported, with its line, its column and the lines around it. Nothing here
// opens a connection before Connector.Open.
//
// # Config structs
//
// A Config struct is the factory of what it configures: a function gives its defaults, Validate checks it
// without touching the network, Open makes the source, sink, handler, decoder or dead letter. Packages
// that offer one don't import this package; they follow these conventions:
//
//   - A setting is an exported field with a tag yaml:"name" and a doc comment. Embedded structs, and those with
//     the tag yaml:",inline", are read as if their fields stood in their place.
//   - Fields are text, booleans, numbers, connector.Duration, connector.Bytes, secret.Text, other types
//     that implement encoding.TextUnmarshaler, structs and pointers to structs of these, lists, and maps by
//     text. A text with commas is a list.
//   - A tag kind:"rule" says that the text is an expression: it is taken as it stands, without the
//     environment, and must not be empty where it is written. A tag kind:"template" says that it takes
//     {name} fields.
//   - A tag short:"true" marks the field that a scalar in the place of the whole struct sets:
//     "filter: value.ok" is "filter: {rule: value.ok}". Where there is none, and the struct implements
//     encoding.TextUnmarshaler, that reads the scalar.
//   - A tag oneof:"none" on a struct of pointers to structs says that at most one of them is set: "auth: tls" sets TLS to its zero value,
//     "auth: {tls: {ca: x}}" fills it, and "auth: none" is the struct with none.
//   - Any text may be kept elsewhere: {file: PATH}, or {secret: NAME, field: F} in a build with Secrets. A secret.Text of a source, a sink, a dead letter or
//     a decoder that is opened (see Decoder) reads it when it is needed and after it was refused. In other settings, and in handlers, files are read with the
//     configuration, and secrets before anything is opened: Validate is called then, with the texts.
//   - A slice of structs with a field tagged key:"true" is written as a map, whose order is kept; the key
//     goes into that field.
//   - An error of Validate that begins with a setting's name ("rotate.size is 0B; ...", "key: ...") is shown at that setting.
//     Errors that were joined are shown one by one.
package config
