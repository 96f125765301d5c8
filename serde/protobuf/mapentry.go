package protobuf

import (
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// AWS's serializer for Java registers the text that it makes of a descriptor, in which a map is a list of entries whose message says
// "option map_entry = true". Compilers refuse that option in a text. So it is taken out before, and set in the descriptor.

// withoutMapEntries blanks the option out of a text, and adds the full names of the messages that had it to entries. A text with mistakes comes back
// as it is: the compiler names them.
func withoutMapEntries(text string, entries map[string]bool) string {
	if !strings.Contains(text, "map_entry") {
		return text
	}
	silent := reporter.NewHandler(reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil))
	file, err := parser.Parse("", strings.NewReader(text), silent)
	if err != nil || file == nil {
		return text
	}
	b := blanker{file: file, text: []byte(text), entries: entries}
	scope := ""
	for _, d := range file.Decls {
		if p, ok := d.(*ast.PackageNode); ok {
			scope = string(p.Name.AsIdentifier()) + "."
		}
	}
	for _, d := range file.Decls {
		if m, ok := d.(*ast.MessageNode); ok {
			b.message(scope+m.Name.Val, m.Decls)
		}
	}
	return string(b.text)
}

// A blanker takes the option out of messages.
type blanker struct {
	file    *ast.FileNode
	text    []byte
	entries map[string]bool
}

func (b *blanker) message(name string, decls []ast.MessageElement) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.MessageNode:
			b.message(name+"."+d.Name.Val, d.Decls)
		case *ast.OptionNode:
			value, _ := d.Val.Value().(ast.Identifier)
			if len(d.Name.Parts) != 1 || d.Name.Parts[0].Value() != "map_entry" || value != "true" {
				continue
			}
			info := b.file.NodeInfo(d)
			for i := info.Start().Offset; i < min(info.End().Offset, len(b.text)); i++ {
				b.text[i] = ' '
			}
			b.entries[name] = true
		}
	}
}

// withMapEntries are the compiled files with the option on the messages that had it.
func withMapEntries(compiled linker.File, entries map[string]bool) (protoreflect.FileDescriptor, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for imports, i := f.Imports(), 0; i < imports.Len(); i++ {
			add(imports.Get(i).FileDescriptor)
		}
		file := protodesc.ToFileDescriptorProto(f)
		scope := ""
		if file.GetPackage() != "" {
			scope = file.GetPackage() + "."
		}
		mark(scope, file.MessageType, entries)
		set.File = append(set.File, file)
	}
	add(compiled)
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	return files.FindFileByPath(compiled.Path())
}

func mark(scope string, messages []*descriptorpb.DescriptorProto, entries map[string]bool) {
	for _, m := range messages {
		name := scope + m.GetName()
		if entries[name] {
			if m.Options == nil {
				m.Options = &descriptorpb.MessageOptions{}
			}
			yes := true
			m.Options.MapEntry = &yes
		}
		mark(name+".", m.NestedType, entries)
	}
}
