package confluent

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
func (a Assume) open(client *Client, s registry.Settings) *registry.Assumed {
	assumptions := a.assumptions()
	if len(assumptions) == 0 {
		return nil
	}
	f := finder{client, s.Folder()}
	return registry.NewAssumed(registry.AssumedOptions{
		Assumptions: assumptions, Find: f.find, Formats: s.Formats(), CallTimeout: callTimeout,
		Denied: func(err error) error { return connector.Systemic.Errorf("%v: look at confluent.assume", err) },
	})
}

func (a Assume) assumptions() []registry.Assumption {
	var all []registry.Assumption
	for _, t := range a.Topics {
		all = append(all, registry.Assumption{Topic: t.Topic, Schema: t.Subject, Version: cmp.Or(t.Version, a.Version)})
	}
	if a.Subject != "" {
		all = append(all, registry.Assumption{Topic: "*", Schema: a.Subject, Version: a.Version})
	}
	return all
}

func (a Assume) validate() error {
	errs := []error{checkSubject("assume.subject", a.Subject, true), checkVersion("assume.version", a.Version)}
	for _, t := range a.Topics {
		errs = append(errs, registry.CheckTopics(t.Topic), checkSubject("assume.topics: the subject of "+t.Topic, t.Subject, false))
		if t.Version != "" {
			errs = append(errs, checkVersion("assume.topics: the version of "+t.Topic, t.Version))
		}
	}
	return errors.Join(errs...)
}

// A finder asks the folder, then the registry.
type finder struct {
	client *Client
	folder *registry.Folder // nil: none
}

func (f finder) find(ctx context.Context, subject, version string) (*serde.Schema, error) {
	number, ok := registry.ParseVersion(version)
	if !ok {
		return nil, connector.Fatal.Wrap(checkVersion("the version of "+subject, version))
	}
	if f.folder != nil {
		if s, ok, err := f.folder.Named(subject, number); ok || err != nil {
			return s, err
		}
	}
	s, err := f.client.Named(ctx, subject, number)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", subject, err)
	}
	return s, nil
}
