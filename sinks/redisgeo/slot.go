package redisgeo

import "strings"

// Suffixes of the companions of a set.
const (
	versionsSuffix = ":millrace:versions" // hash: member to "<topic id>-<partition>-<offset>-<index> <order>"
	seenSuffix     = ":millrace:seen"     // sorted set: member by the milliseconds since 1970 when a record last named it
)

// A Redis cluster hashes the text between the first { of a key and the first } behind it, or the whole
// key where that is empty or missing (Redis Cluster specification, "Hash tags").
func tagged(key string) bool {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return false
	}
	return strings.IndexByte(rest, '}') > 0
}

// taggable reports whether a companion of the key can be in its slot.
func taggable(key string) bool { return tagged(key) || key != "" && !strings.Contains(key, "}") }

// companion is a key in the slot of a taggable key.
func companion(key, suffix string) string {
	if tagged(key) {
		return key + suffix
	}
	return "{" + key + "}" + suffix
}
