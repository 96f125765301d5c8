package table

// A Kind is a column's type, without what belongs to it.
type Kind uint8

// The kinds. What has none of the others is JSON: its text stands in the column, whatever the value is.
const (
	JSON            Kind = iota // any value, as its JSON text: unions of several types, recursive types, elements of mixed types
	Bool                        // true or false
	Int32                       // from -1<<31 to 1<<31-1
	Int64                       // from -1<<63 to 1<<63-1
	Float32                     // IEEE 754, 32 bits
	Float64                     // IEEE 754, 64 bits
	Decimal                     // Precision digits, Scale of them behind the point
	String                      // UTF-8 text; enums too
	Bytes                       // bytes
	Fixed                       // Size bytes
	UUID                        // 16 bytes
	Date                        // days since 1970-01-01
	TimeMillis                  // since midnight
	TimeMicros                  // since midnight
	TimestampMillis             // since 1970-01-01T00:00Z; Local: without a zone
	TimestampMicros             // since 1970-01-01T00:00Z; Local: without a zone
	Struct                      // Fields
	List                        // Elem
	Map                         // from texts to Elem
)

var kindNames = [...]string{"json", "boolean", "int32", "int64", "float32", "float64", "decimal", "string", "bytes", "fixed", "uuid", "date",
	"time_millis", "time_micros", "timestamp_millis", "timestamp_micros", "struct", "list", "map"}

// String is the kind's name, as it is stored and as messages show it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// A Type is the type of a column, of a struct's field, or of an element.
type Type struct {
	Kind     Kind
	Nullable bool
	Local    bool // of timestamps: the zone isn't known

	Precision, Scale int     // of a Decimal: 1 to 76 digits, 0 to Precision behind the point
	Size             int     // of a Fixed, in bytes
	Fields           []Field // of a Struct, in order
	Elem             *Type   // of a List; of a Map's values
}

// A Field is a column, or a member of a Struct.
type Field struct {
	Name    string
	Aliases []string // other names that a value may have it by: those of older versions
	Type    Type
	Default []byte // JSON text of what a value that lacks the member has there; nil: null if that is allowed, else an error
	Doc     string
}

// A Schema is the columns of a table. It is shared and must not be changed.
type Schema struct {
	Name    string // of the record type, or of the schema in its registry
	ID      string // of the version in its registry; "" if it isn't of one
	Version int64  // its number there; 0 if that isn't known
	Fields  []Field

	// Rest names the column, of kind JSON and nullable, that takes the members of a value that no other column takes, as one JSON object. It isn't in Fields.
	// "": such members are left out.
	Rest string
}
