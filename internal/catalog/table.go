package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/table"
)

// A Table is what the Data Catalog shall say of files.
type Table struct {
	// Name as the template of Config.TableName gives it.
	Name string
	// Location is the folder of all files, s3://bucket/folder/. Config.Location counts instead of it where that is set.
	Location string
	// Format of the files, and their Compression: gzip, zstd, snappy; "" for none.
	Format      Format
	Compression string
	// Dialect of CSV.
	Dialect Dialect
	// Schema is the columns of the files, in their order.
	Schema *table.Schema
	// Keys are the partition keys, in the order of their folders; see [KeysOf].
	Keys []Key
}

// A column is one of the Data Catalog (AWS Glue API reference, "Column structure").
type column struct {
	Name    string
	Type    string `json:",omitempty"`
	Comment string `json:",omitempty"`
}

const maxComment = 255 // characters of a column's comment

// A definition is a Table as it is written to the Data Catalog.
type definition struct {
	name, location string
	format         Format
	columns        []column
	types          []table.HiveType // of columns
	keys           []column
	serde          map[string]string // parameters of the library
	properties     map[string]string // of a new table
	owned          map[string]string // those of Config.Properties, which a table that is there gets too
	projection     map[string]string // those of partition projection, which a table that is there gets where it has none
}

// define checks a table, and says what is written of it.
func (c *Catalog) define(t Table) (*definition, error) {
	d := &definition{
		name: strings.ToLower(t.Name), location: t.Location, format: t.Format, owned: c.config.Properties, properties: t.properties(),
	}
	if c.config.Location != "" {
		d.location = c.config.Location
	}
	if !strings.HasSuffix(d.location, "/") {
		d.location += "/"
	}
	switch {
	case !tables.MatchString(d.name) || len(d.name) > maxName:
		return nil, fmt.Errorf("%q isn't a name of 1 to %d small letters, digits and _", d.name, maxName)
	case !locations.MatchString(d.location):
		return nil, fmt.Errorf("%q isn't a folder such as s3://bucket/folder/", d.location)
	case t.Schema == nil || len(t.Schema.Columns()) == 0:
		return nil, errors.New("its columns aren't known")
	}
	if err := t.Format.check(); err != nil {
		return nil, err
	}
	if err := d.setKeys(t.Keys, c.config.PartitionTypes); err != nil {
		return nil, err
	}
	if err := d.setColumns(t); err != nil {
		return nil, err
	}
	if c.config.Partitions == PartitionsProjection {
		if err := d.project(t.Keys, c.config); err != nil {
			return nil, err
		}
	}
	maps.Copy(d.properties, d.projection)
	maps.Copy(d.properties, d.owned)
	return d, nil
}

func (d *definition) setKeys(keys []Key, types map[string]string) error {
	var names []string
	for _, k := range keys {
		key := column{Name: k.Name(), Type: "string"}
		for name, text := range types {
			if strings.EqualFold(name, key.Name) {
				key.Type = text
			}
		}
		d.keys = append(d.keys, key)
		names = append(names, k.Folder)
	}
	if a, b, found := twins(names); found {
		return fmt.Errorf("the folders %s= and %s= are the same partition key, whose case doesn't count: rename one in path", a, b)
	}
	return nil
}

// setColumns gives the columns, but those that are partition keys too: their values come from the folders, and no column of a table can have a key's name.
func (d *definition) setColumns(t Table) error {
	var names []string
	var kept []table.Field
	for _, f := range t.columns() {
		names = append(names, f.Name)
		name := strings.ToLower(f.Name)
		if len(name) == 0 || len(name) > maxName {
			return fmt.Errorf("column %.40q has a name of %d bytes; the Data Catalog takes 1 to %d", f.Name, len(name), maxName)
		}
		if slices.ContainsFunc(d.keys, func(k column) bool { return k.Name == name }) {
			if d.format == CSV {
				return fmt.Errorf("column %s is a partition key too: rename one of them, since columns of CSV are found by their place", f.Name)
			}
			continue
		}
		typ, err := columnType(d.format, f.Type)
		if err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
		d.columns = append(d.columns, column{Name: name, Type: typ.String(), Comment: comment(f.Doc)})
		d.types = append(d.types, typ)
		kept = append(kept, f)
	}
	if a, b, found := twins(names); found {
		return fmt.Errorf("columns %s and %s differ by case only, which the Data Catalog can't tell apart: rename one", a, b)
	}
	if len(d.columns) == 0 {
		return errors.New("all of its columns are partition keys")
	}
	return d.setSerde(t, kept)
}

// columns are those of the files, by the names that they have there.
func (t Table) columns() []table.Field {
	columns := t.Schema.Columns()
	if t.Format != Avro {
		return columns
	}
	columns = slices.Clone(columns)
	for i, name := range table.AvroNames(columns) {
		columns[i].Name = name
	}
	return columns
}

// columnType is a column's type as it is read from a file.
func columnType(f Format, t table.Type) (table.HiveType, error) {
	switch f {
	case CSV: // its library reads an empty number as an error ("Open CSV SerDe for processing CSV")
		return table.HiveType{Name: "string"}, nil
	case JSON:
		return table.HiveJSON.Hive(t)
	case Avro:
		t = inAvro(t)
	}
	return table.HiveParquet.Hive(t)
}

// inAvro is a type as Avro has it: a UUID is its text.
func inAvro(t table.Type) table.Type {
	switch t.Kind {
	case table.UUID:
		t.Kind = table.String
	case table.Struct:
		t.Fields = slices.Clone(t.Fields)
		for i := range t.Fields {
			t.Fields[i].Type = inAvro(t.Fields[i].Type)
		}
	case table.List, table.Map:
		elem := inAvro(*t.Elem)
		t.Elem = &elem
	}
	return t
}

// twins finds two names that are the same in small letters.
func twins(names []string) (a, b string, found bool) {
	seen := make(map[string]string, len(names))
	for _, name := range names {
		small := strings.ToLower(name)
		if other, ok := seen[small]; ok {
			return other, name, true
		}
		seen[small] = name
	}
	return "", "", false
}

// comment is the first line of a text, as far as the Data Catalog takes it.
func comment(doc string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(doc), "\n")
	runes := []rune(strings.ToValidUTF8(line, ""))
	for i, r := range runes {
		if r < ' ' {
			runes[i] = ' '
		}
	}
	return string(runes[:min(len(runes), maxComment)])
}

const avroLiteral = "avro.schema.literal"

func (d *definition) setSerde(t Table, fields []table.Field) error {
	d.serde = maps.Clone(serdes[t.Format].parameters)
	switch t.Format {
	case CSV:
		maps.Copy(d.serde, t.Dialect.parameters())
	case Avro:
		literal, err := literalOf(t.Schema.Name, fields)
		if err != nil {
			return err
		}
		d.serde[avroLiteral] = literal
	}
	return nil
}

// storage is the StorageDescriptor of a new table.
func (d *definition) storage() record {
	s := serdes[d.format]
	return record{
		"Columns": encoded(d.columns), "Location": encoded(d.location), "InputFormat": encoded(s.input), "OutputFormat": encoded(s.output),
		"Compressed": encoded(d.properties["compressionType"] != "none"), "NumberOfBuckets": encoded(-1), "StoredAsSubDirectories": encoded(false),
		"SerdeInfo": encoded(map[string]any{"SerializationLibrary": s.library, "Parameters": d.serde}),
	}
}

// input is the TableInput of a new table.
func (d *definition) input() record {
	keys := d.keys
	if keys == nil {
		keys = []column{} // Athena wants a list
	}
	return record{
		"Name": encoded(d.name), "TableType": encoded("EXTERNAL_TABLE"), "Parameters": encoded(d.properties), "PartitionKeys": encoded(keys),
		"StorageDescriptor": encoded(d.storage()),
	}
}

// A record is an object of the Data Catalog whose members stay as they are, known or not.
type record map[string]json.RawMessage

// encoded is v as JSON. v is of types that have one.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
