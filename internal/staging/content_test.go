package staging

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/lines"
)

// TestCreatedBy: what footers say of the writer is what Parquet's Java library takes apart (VersionParser).
func TestCreatedBy(t *testing.T) {
	java := regexp.MustCompile(`^(.*?)\s+version\s*(?:([^(]*?)\s*(?:\(\s*build\s*([^)]*?)\s*\))?)?$`)
	if m := java.FindStringSubmatch(createdBy); m == nil || m[1] != "millrace" || m[2] == "" {
		t.Errorf("%q: %q", createdBy, m)
	}
	m := chaintest.NewMemory(chaintest.Options{})
	g := begin(t, New(tabular(t, m, "data/", func(c *Content) { c.Schema.Sample = 1 })), assignment())
	g.add(t, connectortest.R{Value: `{"a":1}`})
	g.commit(t, 1)
	for name, body := range m.Objects() {
		if strings.HasSuffix(name, ".snappy.parquet") != bytes.Contains(body, []byte(createdBy)) {
			t.Errorf("%s", name)
		}
	}
}

func TestEncodings(t *testing.T) {
	for want, change := range map[string]func(*Content){
		".json.gz":                     func(*Content) {},
		".csv.zst":                     func(c *Content) { c.Format.CSV, c.Compression = new(lines.CSVConfig), "zstd" },
		".avro":                        func(c *Content) { c.Format.Avro = new(lines.AvroConfig) },
		".zstd.parquet":                func(c *Content) { c.Format.Parquet = &Parquet{Compression: "zstd"} },
		".gz.parquet":                  func(c *Content) { c.Format.Parquet = &Parquet{Compression: "gzip"} },
		".parquet":                     func(c *Content) { c.Format.Parquet = &Parquet{Compression: "none"} },
		"compression is for lines":     func(c *Content) { c.Format.Parquet, c.Compression = new(Parquet), "zstd" },
		"format.parquet: ":             func(c *Content) { c.Format.Parquet = &Parquet{Compression: "lz4"} },
		"format.parquet.dictionary is": func(c *Content) { c.Format.Parquet = &Parquet{Dictionary: "all"} },
		"format.parquet.statistics is": func(c *Content) { c.Format.Parquet = &Parquet{Statistics: "some"} },
		"format.parquet.row_group is":  func(c *Content) { c.Format.Parquet = &Parquet{RowGroup: -1} },
		"format.csv.separator":         func(c *Content) { c.Format.CSV = &lines.CSVConfig{Separator: "ab"} },
		"format.avro.compression":      func(c *Content) { c.Format.Avro = &lines.AvroConfig{Compression: "lz4"} },
		"schema.sample":                func(c *Content) { c.Schema.Sample = 0 },
		"envelope.fields":              func(c *Content) { c.Envelope.Fields = []string{"x"} },
	} {
		c := DefaultContent()
		change(&c)
		e, err := c.Encoding()
		if strings.HasPrefix(want, ".") && (err != nil || e.Extension != want) || !strings.HasPrefix(want, ".") && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q, %v; want %q", e.Extension, err, want)
		}
	}
}
