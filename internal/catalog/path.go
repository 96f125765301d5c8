package catalog

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/template"
)

// NullValue is the value of a partition without one, which Hive and Athena show as null. In our paths it is __null__ (template.NullSegment), in Hive's it
// is this very text.
const NullValue = "__HIVE_DEFAULT_PARTITION__"

// A Key is a partition key: a folder named key=value.
type Key struct {
	Folder string // the name as the folder has it
	Value  string // the text of the template for the value: {time:yyyy-MM-dd}
}

// Name is the key's name in the Data Catalog.
func (k Key) Name() string { return strings.ToLower(k.Folder) }

// A Place is where an object lies: bucket/ + Prefix + dt=2026-11-20/hour=13/ + name.
type Place struct {
	Prefix string   // the folders before the first partition key, with a / at the end; "" if there are none
	Folder string   // those up to the last partition key; Prefix if there is none
	Keys   []string // as the folders have them
	Values []string // unescaped
}

// PlaceOf takes an object's key apart. Folders named key=value are partitions, the object's own name never is one.
func PlaceOf(objectKey string) Place {
	var p Place
	for from := 0; ; {
		n := strings.IndexByte(objectKey[from:], '/')
		if n < 0 {
			if len(p.Keys) == 0 {
				p.Prefix, p.Folder = objectKey[:from], objectKey[:from]
			}
			return p
		}
		if key, value, ok := cutKey(objectKey[from : from+n]); ok {
			if len(p.Keys) == 0 {
				p.Prefix = objectKey[:from]
			}
			p.Folder = objectKey[:from+n+1]
			p.Keys, p.Values = append(p.Keys, key), append(p.Values, valueOf(value))
		}
		from += n + 1
	}
}

// KeysOf are the partition keys of a path's template, such as lake/{topic}/dt={time:yyyy-MM-dd}/. What follows the last / is the object's name.
func KeysOf(text string) []Key {
	var keys []Key
	for folder := range folders(text) {
		if name, value, ok := cutKey(folder); ok && !strings.ContainsAny(name, "{}") {
			keys = append(keys, Key{Folder: name, Value: value})
		}
	}
	return keys
}

// folders are the parts of a template's text that end in /. A slash in a field, as in {time:yyyy/MM/dd}, ends none.
func folders(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		depth, from := 0, 0
		var quote byte
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case quote != 0:
				if c == '\\' && quote == '"' {
					i++
				} else if c == quote {
					quote = 0
				}
			case depth > 0 && (c == '"' || c == '\''):
				quote = c
			case c == '{':
				depth++
			case c == '}':
				depth--
			case c == '/' && depth == 0:
				if !yield(text[from:i]) {
					return
				}
				from = i + 1
			}
		}
	}
}

func cutKey(folder string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(folder, "=")
	return key, value, ok && key != ""
}

// valueOf undoes template.EscapePath: %2F is a slash. What was too long and cut stays as it is. A % that begins no byte is one.
func valueOf(text string) string {
	if text == template.NullSegment || text == "" {
		return NullValue
	}
	if !strings.Contains(text, "%") {
		return text
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := hex(text[i+1]), hex(text[i+2])
			if high >= 0 && low >= 0 {
				plain = append(plain, byte(high<<4|low))
				i += 2
				continue
			}
		}
		plain = append(plain, text[i])
	}
	return strings.ToValidUTF8(string(plain), "\uFFFD") // as JSON would have it
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// At is the partition of an object in a bucket. It is an error of the path if its keys aren't the table's.
func (p Place) At(bucket string, keys []Key) (Partition, error) {
	if len(keys) != len(p.Keys) {
		return Partition{}, fmt.Errorf("folder %s has %d partition keys, the table has %d", p.Folder, len(p.Keys), len(keys))
	}
	for i, k := range keys {
		if k.Folder != p.Keys[i] {
			return Partition{}, fmt.Errorf("folder %s has the partition key %s, the table has %s there", p.Folder, p.Keys[i], k.Folder)
		}
	}
	return Partition{Values: p.Values, Location: "s3://" + bucket + "/" + p.Folder}, nil
}
