package dynamodb

import (
	"strings"

	"github.com/millrace/millrace/connector"
)

// Limits of items, in bytes by DynamoDB's own count (developer guide, "DynamoDB item sizes and formats" and "Quotas"). The guide says what
// counts: names and texts by their UTF-8, bytes before base64, 1 for a bool or a null, 3 for a list or a map and 1 for each of its elements.
const (
	maxItemSize     = 400 << 10
	maxName         = 65_535
	maxKeyName      = 255
	maxPartitionKey = 2048
	maxSortKey      = 1024

	// maxNesting counts the item itself, then lists and maps; values that are neither don't count. Seen on DynamoDB Local: 31 maps
	// in one another are taken, 32 aren't.
	maxNesting = 32

	containerSize = 3
	elementSize   = 1
)

// A tally adds up an item's size.
type tally struct {
	size    int
	largest int    // of an attribute
	name    string // its name; borrowed
}

func (t *tally) add(name string, size int) {
	t.size += size
	if size > t.largest {
		t.largest, t.name = size, name
	}
}

// check refuses an item that is too large, and names its largest attribute.
func (t *tally) check() error {
	if t.size <= maxItemSize {
		return nil
	}
	return problem("the item has %d bytes or more by DynamoDB's count (names and values); at most %d (400 KB) are possible; the largest attribute is %s with %d",
		t.size, maxItemSize, strings.TrimPrefix(memberStep(t.name), "."), t.largest)
}

// checkSize refuses an item that is too large once attributes were added to it. size is in bytes. The error is permanent.
func checkSize(size int) error {
	if size <= maxItemSize {
		return nil
	}
	return connector.Permanent.Errorf("the item has %d bytes by DynamoDB's count (names and values), those included that guard its order; at most %d (400 KB) are possible",
		size, maxItemSize)
}

// textNumberSize is what a number counts, by its text and without a name.
func textNumberSize(text []byte) int {
	n := readNumber(text)
	return n.size()
}
