package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/millrace/millrace/connector"
)

// object is a JSON Schema. encoding/json sorts the members, so the text is always the same.
type object = map[string]any

// Schema is a JSON Schema (draft 2020-12) of a document, for editors. It is a little looser than
// Parse: what Validate checks isn't in it.
func (r *Registry) Schema(docs Docs) ([]byte, error) {
	s := r.structSchema(reflect.TypeFor[Connector](), docs)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Millrace connector"
	s["required"] = []string{"name", "source", "sink"}
	defs := object{
		"file": object{
			"type": "object", "required": []string{"file"}, "additionalProperties": false,
			"properties":  object{"file": object{"type": "string"}},
			"description": "The contents of a file, without the line break at its end.",
		},
		"secret": object{
			"type": "object", "required": []string{"secret"}, "additionalProperties": false,
			"properties": object{
				"secret": object{"type": "string", "description": "Name or ARN of a secret in AWS Secrets Manager."},
				"field":  object{"type": "string", "description": "Key of the JSON object that the secret holds. Without it the secret's whole text is meant."},
				"region": object{"type": "string", "description": "AWS Region of the secret. Default: that of the ARN or of the AWS SDK."},
			},
			"description": "A text that is kept in a secret store.",
		},
		"environment": object{"type": "string", "pattern": `\$\{`},
	}
	for _, k := range []Kind{KindSource, KindSink, KindDeadLetter, KindHandler, KindDecoder} {
		defs[defName(k)] = r.choiceSchema(k, docs)
	}
	s["$defs"] = defs
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

func (r *Registry) structSchema(t reflect.Type, docs Docs) object {
	properties := object{}
	for _, s := range settings(t) {
		p := r.typeSchema(s.typ, s, docs)
		if doc := s.doc(docs); doc != "" {
			p["description"] = doc
		}
		properties[s.name] = p
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties}
}

func (r *Registry) typeSchema(t reflect.Type, s setting, docs Docs) object {
	reference := []any{object{"$ref": "#/$defs/file"}, object{"$ref": "#/$defs/secret"}}
	if s.rule {
		reference = nil
	}
	either := func(schemas ...any) object { return object{"anyOf": append(schemas, reference...)} }
	number := func(kind string) object {
		return either(object{"type": kind}, object{"$ref": "#/$defs/environment"})
	}
	switch t {
	case choiceType:
		return object{"$ref": "#/$defs/" + defName(s.choice)}
	case reflect.TypeFor[connector.Duration]():
		return either(object{"type": "string", "examples": []string{"5m", "90d"}})
	case reflect.TypeFor[connector.Bytes]():
		return either(object{"type": "string", "examples": []string{"128MiB"}})
	case reflect.TypeFor[Percent]():
		return either(object{"type": []string{"string", "number"}, "examples": []string{"1%"}})
	}
	if key, pairs := keyed(t); pairs {
		return object{"type": "object", "additionalProperties": r.shortSchema(t.Elem(), key, docs)}
	}
	switch k := t.Kind(); {
	case k == reflect.Pointer && s.off != "":
		return object{"anyOf": []any{object{"enum": []string{s.off}}, r.typeSchema(t.Elem(), setting{}, docs)}}
	case k == reflect.Pointer:
		return r.typeSchema(t.Elem(), s, docs)
	case k == reflect.Slice && !readsText(t):
		item := r.typeSchema(t.Elem(), s, docs)
		return object{"anyOf": []any{object{"type": "array", "items": item}, item}}
	case k == reflect.Map:
		return object{"type": "object", "additionalProperties": r.typeSchema(t.Elem(), s, docs)}
	case s.oneof != "" && k == reflect.Struct:
		return r.oneofSchema(t, s, docs)
	case k == reflect.Struct && !readsText(t):
		return r.shortSchema(t, setting{}, docs)
	case k == reflect.Bool:
		return number("boolean")
	case k == reflect.Float32 || k == reflect.Float64:
		return number("number")
	case k >= reflect.Int && k <= reflect.Uint64:
		return number("integer")
	}
	if s.json {
		return either(object{"type": []string{"string", "object"}})
	}
	return either(object{"type": []string{"string", "number", "boolean"}})
}

// oneofSchema is a name, or a map with one name and its settings.
func (r *Registry) oneofSchema(t reflect.Type, s setting, docs Docs) object {
	forms := []any{object{"enum": s.alternatives()}}
	for _, one := range settings(t) {
		p := object{"anyOf": []any{r.typeSchema(one.typ, one, docs), object{"type": "null"}}}
		if doc := one.doc(docs); doc != "" {
			p["description"] = doc
		}
		forms = append(forms, object{
			"type": "object", "required": []string{one.name}, "additionalProperties": false, "properties": object{one.name: p},
		})
	}
	return object{"anyOf": forms}
}

// shortSchema is a struct's map of settings or its short form, if it has one.
func (r *Registry) shortSchema(t reflect.Type, without setting, docs Docs) object {
	if t.Kind() != reflect.Struct {
		return r.typeSchema(t, setting{}, docs)
	}
	long := r.structSchema(t, docs)
	delete(long["properties"].(object), without.name)
	short, ok := only(settings(t), isShort)
	if !ok {
		return long
	}
	return object{"anyOf": []any{r.typeSchema(short.typ, short, docs), long}}
}

func defName(k Kind) string { return strings.ReplaceAll(string(k), " ", "_") }

// choiceSchema lists the plugins of a kind.
func (r *Registry) choiceSchema(k Kind, docs Docs) object {
	var names []string
	var forms []any
	for _, p := range r.Plugins(k) {
		names = append(names, p.Name)
		settings := r.shortSchema(p.configType(), setting{}, docs)
		settings["description"] = p.Synopsis(docs)
		forms = append(forms, object{
			"type": "object", "required": []string{p.Name}, "additionalProperties": false,
			"properties": object{p.Name: object{"anyOf": []any{settings, object{"type": "null"}}}},
		})
	}
	if k == KindDeadLetter {
		names = append(names, none)
	}
	return object{"anyOf": append(forms, object{"enum": names})}
}
