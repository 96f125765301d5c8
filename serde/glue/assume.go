package glue

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// open is nil if all values have headers.
func (a Assume) open(from versions, s registry.Settings) *registry.Assumed {
	assumptions := a.assumptions()
	if len(assumptions) == 0 {
		return nil
	}
	f := finder{from, s.Folder()}
	return registry.NewAssumed(registry.AssumedOptions{
		Assumptions: assumptions, Find: f.find, Formats: s.Formats(),
		Denied: func(err error) error { return connector.Systemic.Errorf("%v: look at glue.assume", err) },
	})
}

func (a Assume) assumptions() []registry.Assumption {
	var all []registry.Assumption
	for _, t := range a.Topics {
		all = append(all, registry.Assumption{Topic: t.Topic, Schema: t.Schema, Version: cmp.Or(t.Version, a.Version)})
	}
	if a.Schema != "" {
		all = append(all, registry.Assumption{Topic: "*", Schema: a.Schema, Version: a.Version})
	}
	return all
}

func (a Assume) validate() error {
	errs := []error{checkName("assume.schema", a.Schema, true), checkVersion("assume.version", a.Version)}
	for _, t := range a.Topics {
		errs = append(errs, registry.CheckTopics(t.Topic), checkName("assume.topics: the schema of "+t.Topic, t.Schema, false))
		if t.Version != "" {
			errs = append(errs, checkVersion("assume.topics: the version of "+t.Topic, t.Version))
		}
	}
	return errors.Join(errs...)
}

func checkVersion(setting, version string) error {
	if _, ok := registry.ParseVersion(version); ok {
		return nil
	}
	if _, err := ParseID(version); err == nil {
		return nil
	}
	return fmt.Errorf("%s is %q; it must be %s, a number from 1, or the id of a schema version", setting, version, registry.Latest)
}

// A finder asks the folder, then the registry.
type finder struct {
	from   versions
	folder *registry.Folder // nil: none
}

func (f finder) find(ctx context.Context, name, version string) (*serde.Schema, error) {
	if number, ok := registry.ParseVersion(version); ok {
		if f.folder != nil {
			if s, ok, err := f.folder.Named(name, number); ok || err != nil {
				return s, err
			}
		}
		return f.from.Named(ctx, name, number)
	}
	id, err := ParseID(version)
	if err != nil {
		return nil, connector.Fatal.Errorf("read the version of %s: %w", name, err)
	}
	if f.folder != nil {
		if s, ok, err := f.folder.Find(FormatID(id)); ok || err != nil {
			return s, err
		}
	}
	return f.from.Version(ctx, id)
}
