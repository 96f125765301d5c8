package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/table"
)

// A Change is what Ensure did to a table. Names of columns are those of the Data Catalog.
type Change struct {
	Created bool     // the table wasn't there
	Added   []string // columns
	Widened []string // columns, with the types: "n int -> bigint"
	Other   bool     // properties
	Ignored []string // why parts of it stay as they are: on_incompatible is ignore
}

// Any reports whether the table was changed.
func (c Change) Any() bool { return c.Created || c.Other || len(c.Added)+len(c.Widened) > 0 }

// A stored table is one as the Data Catalog has it.
type stored struct {
	version    string
	input      record // what an update takes
	storage    record // its StorageDescriptor
	columns    []storedColumn
	keys       []storedColumn
	properties map[string]string
	kind       string // TableType
	location   string
	library    string
	serdeInfo  record
	serde      map[string]string
	registered bool // its columns are those of a schema in a registry
}

// A storedColumn keeps what isn't known of it.
type storedColumn struct {
	name, typ, comment string
	raw                json.RawMessage
}

func (c *storedColumn) UnmarshalJSON(text []byte) error {
	var known column
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	c.comment = known.Comment
	c.name, c.typ, c.raw = strings.ToLower(known.Name), known.Type, append(json.RawMessage(nil), text...)
	return nil
}

func (c storedColumn) MarshalJSON() ([]byte, error) { return c.raw, nil }

// inputs are the members of a Table that a TableInput has too (AWS Glue API reference, "TableInput structure"). Tables with a FederatedTable or a
// ViewDefinition aren't changed.
var inputs = []string{"Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor", "PartitionKeys",
	"ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable"}

// parseTable reads the answer of GetTable.
func parseTable(reply []byte) (*stored, error) {
	var answer struct{ Table record }
	if err := json.Unmarshal(reply, &answer); err != nil || answer.Table == nil {
		return nil, errForeign
	}
	s := &stored{input: record{}}
	for _, name := range inputs {
		if value, ok := answer.Table[name]; ok && string(value) != "null" {
			s.input[name] = value
		}
	}
	answer.Table.decode("VersionId", &s.version)
	answer.Table.decode("TableType", &s.kind)
	answer.Table.decode("PartitionKeys", &s.keys)
	answer.Table.decode("Parameters", &s.properties)
	answer.Table.decode("StorageDescriptor", &s.storage)
	s.readStorage()
	return s, nil
}

func (s *stored) readStorage() {
	s.storage.decode("Columns", &s.columns)
	s.storage.decode("Location", &s.location)
	s.storage.decode("SerdeInfo", &s.serdeInfo)
	s.serdeInfo.decode("SerializationLibrary", &s.library)
	s.serdeInfo.decode("Parameters", &s.serde)
	_, s.registered = s.storage["SchemaReference"]
}

// decode reads a member. One that is missing, null or of another type leaves to as it is.
func (r record) decode(name string, to any) {
	if text, ok := r[name]; ok {
		if err := json.Unmarshal(text, to); err != nil {
			return
		}
	}
}

// incompatible are the reasons why a table can't take what is wanted of it.
type incompatible []string

func (i *incompatible) add(format string, args ...any) { *i = append(*i, fmt.Sprintf(format, args...)) }

// merge puts what is wanted into a table that is there. Nothing of it is lost.
func (s *stored) merge(d *definition) (Change, incompatible, error) {
	var change Change
	var not incompatible
	if err := s.refuse(d); err != nil {
		return change, nil, err
	}
	if !serdes[d.format].reads(s.library) {
		not.add("its library %s doesn't read %s", s.library, d.format)
	}
	if !sameFolder(s.location, d.location) {
		not.add("its folder is %s, the objects are in %s", s.location, d.location)
	}
	if len(not) == 0 {
		s.mergeColumns(d, &change, &not)
	}
	if d.format == Avro && len(change.Added)+len(change.Widened) > 0 {
		if err := s.mergeAvro(d, change); err != nil {
			return change, nil, err
		}
	}
	change.Other = s.mergeProperties(d)
	return change, not, nil
}

// refuse finds what no setting can get over.
func (s *stored) refuse(d *definition) error {
	if open := s.properties["table_type"]; open != "" {
		return fmt.Errorf("it is a table of %s, which others write", open)
	}
	if _, link := s.input["TargetTable"]; link || strings.Contains(s.kind, "VIEW") || s.storage == nil {
		return fmt.Errorf("it is a view, or a link to another table: choose another name")
	}
	var have, want []string
	for _, k := range s.keys {
		have = append(have, k.name)
	}
	for _, k := range d.keys {
		want = append(want, k.Name)
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("its partition keys are (%s), those of path (%s); they can't be changed: choose another table, or another path", strings.Join(have, ", "), strings.Join(want, ", "))
	}
	return nil
}

// sameFolder compares two locations.
func sameFolder(a, b string) bool {
	plain := func(text string) string {
		scheme, rest, found := strings.Cut(text, "://")
		if found && (scheme == "s3a" || scheme == "s3n") {
			text = "s3://" + rest
		}
		return strings.TrimRight(text, "/")
	}
	return plain(a) == plain(b)
}

// mergeColumns adds the columns that are new at the end, and widens those that are too narrow.
func (s *stored) mergeColumns(d *definition, change *Change, not *incompatible) {
	at := map[string]int{}
	for i, c := range s.columns {
		at[c.name] = i
	}
	columns := slices.Clone(s.columns)
	for i, want := range d.columns {
		have, there := at[want.Name]
		switch {
		case d.format == CSV && there && have != i:
			not.add("column %s is number %d, and number %d in the objects: columns of CSV are found by their place", want.Name, have+1, i+1)
		case d.format == CSV && !there && len(columns) != i:
			not.add("column %s is new, and number %d in the objects; the table has %d others: columns of CSV are found by their place", want.Name, i+1, len(columns))
		case !there:
			columns = append(columns, storedColumn{want.Name, want.Type, want.Comment, encoded(want)})
			change.Added = append(change.Added, want.Name)
		case d.format != CSV:
			widened, err := columns[have].widen(d.types[i])
			if err != nil {
				not.add("column %s is %s: %v", want.Name, columns[have].typ, err)
			} else if widened.typ != columns[have].typ {
				change.Widened = append(change.Widened, fmt.Sprintf("%s %s -> %s", want.Name, columns[have].typ, widened.typ))
				columns[have] = widened
			}
		}
	}
	if len(change.Added)+len(change.Widened) > 0 && s.registered {
		not.add("its columns are those of a schema in a registry, which lacks some: %s", strings.Join(append(change.Added, change.Widened...), ", "))
		change.Added, change.Widened = nil, nil
		return
	}
	s.setColumns(columns)
}

func (s *stored) setColumns(columns []storedColumn) {
	s.columns = columns
	s.storage["Columns"] = encoded(columns)
	s.input["StorageDescriptor"] = encoded(s.storage)
}

// widen is the column with a type that has room for want too.
func (c storedColumn) widen(want table.HiveType) (storedColumn, error) {
	have, err := table.ParseHiveType(c.typ)
	if err != nil {
		return c, fmt.Errorf("%w; the objects have %s", err, want)
	}
	wide, ok := widen(have, want)
	if !ok {
		return c, fmt.Errorf("the objects have %s", want)
	}
	if wide.String() == have.String() {
		return c, nil
	}
	raw := record{}
	if err := json.Unmarshal(c.raw, &raw); err != nil {
		return c, err
	}
	raw["Type"] = encoded(wide.String())
	return storedColumn{c.name, wide.String(), c.comment, encoded(raw)}, nil
}

// mergeAvro gives the schema that files are read by the fields that columns were added for.
func (s *stored) mergeAvro(d *definition, change Change) error {
	have := s.serde[avroLiteral]
	if have == "" { // it is elsewhere, at avro.schema.url, or the columns are used
		return nil
	}
	changed := map[string]bool{}
	for _, text := range change.Widened {
		name, _, _ := strings.Cut(text, " ")
		changed[name] = true
	}
	merged, err := mergeLiteral(have, d.serde[avroLiteral], changed)
	if err != nil {
		return err
	}
	s.serde[avroLiteral] = merged
	s.serdeInfo["Parameters"] = encoded(s.serde)
	s.storage["SerdeInfo"] = encoded(s.serdeInfo)
	s.input["StorageDescriptor"] = encoded(s.storage)
	return nil
}

// mergeProperties sets the properties of the settings, and those of partition projection that are missing: their ranges may have been tuned.
func (s *stored) mergeProperties(d *definition) (changed bool) {
	merged := maps.Clone(s.properties)
	if merged == nil {
		merged = map[string]string{}
	}
	for name, value := range d.projection {
		if _, there := merged[name]; !there {
			merged[name], changed = value, true
		}
	}
	for name, value := range d.owned {
		if old, there := merged[name]; !there || old != value {
			merged[name], changed = value, true
		}
	}
	if changed {
		s.properties = merged
		s.input["Parameters"] = encoded(merged)
	}
	return changed
}
