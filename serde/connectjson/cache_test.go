package connectjson

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

func TestCacheIsBounded(t *testing.T) {
	var c cache
	add := func(text string) { c.put(&compiled{schema: &serde.Schema{Text: text}}) }
	for i := range 3*maxSchemas + 5 {
		add(fmt.Sprint(i))
		if len(c.all) > maxSchemas || c.get([]byte(fmt.Sprint(i))) == nil {
			t.Fatalf("%d schemas after %d", len(c.all), i)
		}
	}
	for i := range 40 {
		add(fmt.Sprint(i) + strings.Repeat("x", 1<<20))
		if c.bytes > maxSchemaBytes {
			t.Fatalf("%d bytes", c.bytes)
		}
	}
}
