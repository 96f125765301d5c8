package origin

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

// fromProtobuf maps types as serde/protobuf decodes them: the table in the documentation of that package.
func fromProtobuf(s *serde.Schema) (*table.Schema, error) {
	file, err := protobuf.ParseSchema(s)
	if err != nil {
		return nil, err
	}
	message, err := file.Message(s.Type)
	if err != nil {
		return nil, err
	}
	d := message.Descriptor()
	switch {
	case protobuf.WellKnown(d) != "":
		return nil, errNoRow("messages " + string(d.FullName()) + ", which become no objects")
	case d.Fields().Len() == 0:
		return nil, fmt.Errorf("the message %.200q has no fields, and rows need columns", d.FullName())
	}
	p := protobufTypes{open: map[protoreflect.FullName]bool{}}
	t, err := p.message(d)
	if err != nil {
		return nil, err
	}
	return &table.Schema{Name: string(d.FullName()), Fields: t.Fields}, nil
}

// protobufTypes turns Protobuf's types into columns'.
type protobufTypes struct {
	size
	open map[protoreflect.FullName]bool // messages that the type is inside of
}

func (p *protobufTypes) message(d protoreflect.MessageDescriptor) (table.Type, error) {
	if protobuf.WellKnown(d) != "" {
		return p.wellKnown(d)
	}
	if p.open[d.FullName()] || d.Fields().Len() == 0 { // no format of files has structs without fields
		return p.leaf(table.Type{})
	}
	if err := p.enter(); err != nil {
		return table.Type{}, err
	}
	p.open[d.FullName()] = true
	defer func() {
		delete(p.open, d.FullName())
		p.leave()
	}()
	fields := make([]table.Field, 0, d.Fields().Len())
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := table.Field{Name: string(fd.Name()), Aliases: jsonName(d, fd), Default: zero(fd)}
		var err error
		if f.Type, err = p.field(fd); err != nil {
			return table.Type{}, within(f.Name, err)
		}
		fields = append(fields, f)
	}
	return table.Type{Kind: table.Struct, Fields: fields}, nil
}

// jsonName is the field's name in values of a decoder with the setting json_names, of which the schema doesn't tell.
func jsonName(d protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor) []string {
	name := fd.JSONName()
	if d.Fields().ByName(protoreflect.Name(name)) != nil {
		return nil // that is the field itself, or another
	}
	if first := d.Fields().ByJSONName(name); first == nil || first.Number() != fd.Number() {
		return nil
	}
	return []string{name}
}

func (p *protobufTypes) field(fd protoreflect.FieldDescriptor) (table.Type, error) {
	switch {
	case fd.IsMap():
		return p.container(table.Map, fd.MapValue())
	case fd.IsList():
		return p.container(table.List, fd)
	}
	t, err := p.single(fd)
	t.Nullable = t.Nullable || fd.HasPresence() && fd.Cardinality() != protoreflect.Required
	return t, err
}

func (p *protobufTypes) container(k table.Kind, of protoreflect.FieldDescriptor) (table.Type, error) {
	if err := p.enter(); err != nil {
		return table.Type{}, err
	}
	defer p.leave()
	elem, err := p.single(of)
	return table.Type{Kind: k, Elem: &elem}, err
}

// single is the type of one value.
func (p *protobufTypes) single(fd protoreflect.FieldDescriptor) (table.Type, error) {
	if m := fd.Message(); m != nil {
		return p.message(m)
	}
	return p.leaf(protobufScalar(fd.Kind()))
}

func protobufScalar(k protoreflect.Kind) table.Type {
	switch k {
	case protoreflect.BoolKind:
		return table.Type{Kind: table.Bool}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return table.Type{Kind: table.Int32}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return table.Type{Kind: table.Int64}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return table.Type{Kind: table.Decimal, Precision: digitsOfUint64}
	case protoreflect.FloatKind:
		return table.Type{Kind: table.Float32}
	case protoreflect.DoubleKind:
		return table.Type{Kind: table.Float64}
	case protoreflect.BytesKind:
		return table.Type{Kind: table.Bytes}
	}
	return table.Type{Kind: table.String} // enums too
}

const digitsOfUint64 = 20

func (p *protobufTypes) wellKnown(d protoreflect.MessageDescriptor) (table.Type, error) {
	switch d.Name() {
	case "Timestamp":
		return p.leaf(table.Type{Kind: table.TimestampMicros})
	case "Duration":
		return p.leaf(table.Type{Kind: table.String})
	case "Struct", "ListValue":
		return p.leaf(table.Type{})
	case "Value":
		return p.leaf(table.Type{Nullable: true})
	}
	return p.single(d.Fields().Get(0)) // a wrapper
}

// zero is the default that a field has which can't say that it isn't set: the value of older messages, whose schema lacks it.
func zero(fd protoreflect.FieldDescriptor) []byte {
	switch {
	case fd.IsMap():
		return []byte("{}")
	case fd.IsList():
		return []byte("[]")
	case fd.HasPresence():
		return nil
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return []byte("false")
	case protoreflect.EnumKind:
		return strconv.AppendQuote(nil, string(fd.Enum().Values().Get(0).Name()))
	case protoreflect.StringKind, protoreflect.BytesKind:
		return []byte(`""`)
	}
	return []byte("0")
}
