package protobuf

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/millrace/millrace/serde"
)

const (
	maxText       = 1 << 20 // bytes of a schema, and of all its references
	maxSet        = 8 << 20 // bytes of a descriptor set
	maxReferences = 1000
)

// Parse compiles the text of a .proto file: proto2, proto3 or edition 2023. An import is one of refs, by
// the Name that the import has, or one of google/protobuf/*.proto, which are built in. Nothing is read from disk.
//
// The text and all references have at most 1 MiB each, and nest at most 64 deep.
func Parse(text string, refs ...serde.Reference) (*File, error) {
	if err := checkText(text); err != nil {
		return nil, fmt.Errorf("protobuf: %w", err)
	}
	sources, err := referenced(refs)
	if err != nil {
		return nil, err
	}
	path := "schema.proto"
	for sources[path] != "" {
		path = "_" + path
	}
	sources[path] = text
	entries := map[string]bool{}
	for name, text := range sources {
		sources[name] = withoutMapEntries(text, entries)
	}
	compiler := protocompile.Compiler{
		MaxParallelism: 1,
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: func(name string) (io.ReadCloser, error) {
			if text, ok := sources[name]; ok {
				return io.NopCloser(strings.NewReader(text)), nil
			}
			return nil, errors.New("it is no reference of the schema and none of google/protobuf/*.proto")
		}}),
	}
	files, err := compiler.Compile(context.Background(), path) // it waits for nothing
	if err != nil {
		return nil, fmt.Errorf("protobuf: parse the schema: %w", short(err))
	}
	if len(entries) == 0 {
		return newFile(files[0]), nil
	}
	file, err := withMapEntries(files[0], entries)
	if err != nil {
		return nil, fmt.Errorf("protobuf: parse the schema: %w", short(err))
	}
	return newFile(file), nil
}

// ParseSchema is Parse of the schema that a value was written with. The text of one that came from a descriptor set is that set in base64, which no text
// of a .proto file is.
func ParseSchema(s *serde.Schema) (*File, error) {
	if set, err := base64.StdEncoding.DecodeString(s.Text); err == nil && len(set) > 0 {
		if f, err := ParseDescriptorSet(set); err == nil {
			return f, nil
		}
	}
	return Parse(s.Text, s.References...)
}

// referenced are the texts of the references by their names.
func referenced(refs []serde.Reference) (map[string]string, error) {
	if len(refs) > maxReferences {
		return nil, fmt.Errorf("protobuf: the schema has %d references, at most %d are possible", len(refs), maxReferences)
	}
	sources, size := make(map[string]string, len(refs)+1), 0
	for _, r := range refs {
		if size += len(r.Text); size > maxText {
			return nil, fmt.Errorf("protobuf: the references of the schema have more than %d bytes", maxText)
		}
		if err := checkText(r.Text); err != nil {
			return nil, fmt.Errorf("protobuf: reference %.200q: %w", r.Name, err)
		}
		if r.Text != "" {
			sources[r.Name] = r.Text
		}
	}
	return sources, nil
}

// short is err if its text isn't long: errors of the compiler quote names, however long they are.
func short(err error) error {
	const most = 500
	var panicked protocompile.PanicError
	switch text := err.Error(); {
	case errors.As(err, &panicked):
		return fmt.Errorf("the compiler fails on it: %.*s", most, fmt.Sprint(panicked.Value))
	case len(text) > most:
		return errors.New(strings.ToValidUTF8(text[:most], "") + "...")
	}
	return err
}

// ParseDescriptorSet makes a File of a FileDescriptorSet, which protoc --include_imports --descriptor_set_out, and buf build, write. The
// File is the last one of the set; the messages of the others are found by their full names. google/protobuf/*.proto may be absent.
func ParseDescriptorSet(data []byte) (*File, error) {
	if len(data) > maxSet {
		return nil, fmt.Errorf("protobuf: the descriptor set has %d bytes, at most %d are possible", len(data), maxSet)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth + 8}).Unmarshal(data, set); err != nil {
		return nil, fmt.Errorf("protobuf: parse the descriptor set: %w", err)
	}
	if len(set.File) == 0 {
		return nil, errors.New("protobuf: the descriptor set has no file")
	}
	main := set.File[len(set.File)-1].GetName()
	if err := addWellKnown(set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("protobuf: parse the descriptor set: %w", short(err))
	}
	desc, err := files.FindFileByPath(main)
	if err != nil {
		return nil, fmt.Errorf("protobuf: parse the descriptor set: %w", err)
	}
	return newFile(desc, allOf(files)...), nil
}

func allOf(files *protoregistry.Files) (all []protoreflect.FileDescriptor) {
	files.RangeFiles(func(d protoreflect.FileDescriptor) bool {
		all = append(all, d)
		return true
	})
	return all
}

// addWellKnown adds the built-in files that the set imports and hasn't got.
func addWellKnown(set *descriptorpb.FileDescriptorSet) error {
	builtin := protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: func(string) (io.ReadCloser, error) { return nil, protoregistry.NotFound },
	})
	there := make(map[string]bool, len(set.File))
	for _, f := range set.File {
		there[f.GetName()] = true
	}
	for i := 0; i < len(set.File); i++ { // it grows
		for _, name := range set.File[i].Dependency {
			if there[name] {
				continue
			}
			found, err := builtin.FindFileByPath(name)
			if err != nil || found.Desc == nil {
				return fmt.Errorf("protobuf: the descriptor set imports %.200q and doesn't hold it: make it with --include_imports", name)
			}
			there[name] = true
			set.File = append(set.File, protodesc.ToFileDescriptorProto(found.Desc))
		}
	}
	return nil
}
