package config

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/millrace/millrace/connector/secret"
)

// plan is a hash of what decides what becomes of a record: decoders, handlers, sinks, the largest record and the build. Where it is
// the same, the same records become the same rows.
func (c *Connector) plan(build string) string {
	var overrides []any
	for i := range c.Overrides {
		o := &c.Overrides[i]
		overrides = append(overrides, o.Topics, canonical(reflect.ValueOf(o.Sink), false), canonical(reflect.ValueOf(o.Handlers), true))
	}
	text, err := json.Marshal(map[string]any{
		"build":      build,
		"decode":     canonical(reflect.ValueOf(c.Decode), false),
		"handlers":   canonical(reflect.ValueOf(c.Handlers), true),
		"sink":       canonical(reflect.ValueOf(c.Sink), false),
		"overrides":  overrides,
		"max_record": int64(c.MaxRecord),
	})
	if err != nil {
		return "" // a number such as NaN: not known
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// canonical is a setting as JSON has it, by the names of files. Secrets of handlers count, because a key of hmac changes rows; those of decoders and
// sinks are masked, because they open doors, and are changed often.
func canonical(v reflect.Value, secrets bool) any {
	if c, ok := v.Interface().(Choice); ok {
		if c.Config == nil {
			return map[string]any{c.Name: nil}
		}
		return map[string]any{c.Name: canonical(reflect.ValueOf(c.Config), secrets)}
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		return canonical(v.Elem(), secrets)
	}
	if s, ok := v.Interface().(secret.Text); ok {
		if text, known := s.Known(); known && secrets || text == "" && known {
			return text
		}
		return masked // wherever it is kept
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for _, s := range settings(v.Type()) {
			f := v.FieldByIndex(s.index)
			if s.oneof != "" {
				out[s.name] = canonicalOneof(f, s, secrets)
				continue
			}
			out[s.name] = canonical(f, secrets)
		}
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = canonical(v.Index(i), secrets)
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[fmt.Sprint(k)] = canonical(v.MapIndex(k), secrets)
		}
		return out
	}
	return v.Interface()
}

// canonicalOneof is the alternative that is set: those that later builds add don't count.
func canonicalOneof(v reflect.Value, s setting, secrets bool) any {
	if one, alternative, ok := chosen(v); ok {
		return map[string]any{one.name: canonical(alternative, secrets)}
	}
	return s.oneof
}

// thisBuild tells builds apart: version, revision, and whether the sources were changed since.
func thisBuild() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	parts := []string{info.Main.Version}
	for _, name := range []string{"vcs.revision", "vcs.modified"} {
		for _, s := range info.Settings {
			if s.Key == name {
				parts = append(parts, s.Key+"="+s.Value)
			}
		}
	}
	return strings.Join(parts, " ")
}
