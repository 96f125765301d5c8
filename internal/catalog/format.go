package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// A Format is what the files of a table are.
type Format string

// The formats.
const (
	JSON    Format = "json"    // JSON lines
	Parquet Format = "parquet" //
	Avro    Format = "avro"    // object containers
	CSV     Format = "csv"     //
)

// serde is how the Data Catalog says what reads and writes a format. The names are those of classes of Apache Hive, which Athena knows (Athena User Guide,
// "Choose a SerDe for your data").
type serde struct {
	library, input, output string
	parameters             map[string]string
	others                 []string // libraries that read the same files
}

const (
	textInput  = "org.apache.hadoop.mapred.TextInputFormat"
	textOutput = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
)

// serdes by format. They read columns by name, in any case of letters, but for CSV.
var serdes = map[Format]serde{
	// Of the two libraries for JSON, this one finds members whatever their case, reads timestamps with a zone (2026-11-20T13:00:00Z), and gives the text of
	// an object where the column is a string ("OpenX JSON SerDe").
	JSON: {
		library: "org.openx.data.jsonserde.JsonSerDe", input: textInput, output: textOutput,
		parameters: map[string]string{"serialization.format": "1", "case.insensitive": "TRUE"},
		others:     []string{"org.apache.hive.hcatalog.data.JsonSerDe", "org.apache.hadoop.hive.serde2.JsonSerDe"},
	},
	Parquet: {
		library:    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
		input:      "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		output:     "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
		parameters: map[string]string{"serialization.format": "1", "parquet.column.index.access": "false"}, // by name ("Understand index access")
	},
	Avro: {
		library:    "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
		input:      "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
		output:     "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
		parameters: map[string]string{"serialization.format": "1"}, // and avro.schema.literal
	},
	CSV: {
		library: "org.apache.hadoop.hive.serde2.OpenCSVSerde", input: textInput, output: textOutput,
		parameters: map[string]string{"serialization.format": "1"}, // and separatorChar, quoteChar, escapeChar
		others:     []string{"org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
	},
}

// reads reports whether a library reads the format.
func (s serde) reads(library string) bool {
	if strings.EqualFold(library, s.library) {
		return true
	}
	for _, other := range s.others {
		if strings.EqualFold(library, other) {
			return true
		}
	}
	return false
}

// A Dialect is how CSV is written.
type Dialect struct {
	Separator, Quote, Escape byte // 0: , and " and no escape
	Header                   bool // the first line of each file holds names
}

// parameters are those of OpenCSVSerde. Without an escape it would take a backslash, and eat those of texts: it is given a character that none has.
func (d Dialect) parameters() map[string]string {
	p := map[string]string{"separatorChar": ",", "quoteChar": `"`, "escapeChar": "\x01"}
	for name, b := range map[string]byte{"separatorChar": d.Separator, "quoteChar": d.Quote, "escapeChar": d.Escape} {
		if b != 0 {
			p[name] = string(rune(b))
		}
	}
	return p
}

// properties are those of a new table ("classification" and "compressionType" are read by jobs of AWS Glue).
func (t Table) properties() map[string]string {
	compression := t.Compression
	if compression == "" {
		compression = "none"
	}
	p := map[string]string{
		"EXTERNAL": "TRUE", "classification": string(t.Format), "compressionType": compression, "typeOfData": "file", marker: "1",
	}
	if t.Format == CSV && t.Dialect.Header {
		p["skip.header.line.count"] = "1"
	}
	return p
}

// marker is the property that says who made the table.
const marker = "millrace"

// check refuses what no format has.
func (f Format) check() error {
	if _, ok := serdes[f]; !ok {
		return fmt.Errorf("the Data Catalog has no format %s for it: json, parquet, avro and csv can be read", strconv.Quote(string(f)))
	}
	return nil
}
