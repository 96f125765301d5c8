package glue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

const (
	registerTimeout = time.Minute            // of finding or registering a definition, with the check of its compatibility
	checkPause      = 500 * time.Millisecond // between two questions whether a version is available
)

// A registrar finds the version of a definition, and registers it if it may.
type registrar struct {
	versions
	config EncoderConfig
}

// lookup is the version of the definition in the schema for a topic.
func (r registrar) lookup(ctx context.Context, topic string) (*serde.Schema, error) {
	name := registry.NameFor(r.config.Schema, topic)
	what := fmt.Sprintf("the definition in schema %s of registry %s", name, r.registry)
	id, err := r.find(ctx, name, what)
	if errors.Is(err, registry.ErrNotFound) {
		if !r.config.Register {
			// Without what it wraps: somebody has to register it.
			return nil, connector.Systemic.Errorf("%s doesn't have %s (%s): register it, or set register: true", r.place(), what, said(awsjson.Refusal(err)))
		}
		id, err = r.register(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	return r.available(ctx, id, what)
}

// find is the id of the version that has the definition.
func (r registrar) find(ctx context.Context, name, what string) (id string, err error) {
	out, err := ask[version](ctx, r.call, opDefinition, r.definition(name))
	if err != nil {
		return "", r.failure(opDefinition, what, err)
	}
	return out.ID, nil
}

func (r registrar) definition(name string) ofSchema {
	return ofSchema{r.schema(name), r.config.Definition}
}

// register adds a version, to a schema that it creates if there is none.
func (r registrar) register(ctx context.Context, name string) (id string, err error) {
	what := fmt.Sprintf("schema %s in registry %s", name, r.registry)
	out, err := ask[version](ctx, r.call, opRegister, r.definition(name))
	if err == nil {
		return out.ID, nil
	}
	if err = r.failure(opRegister, what, err); !errors.Is(err, registry.ErrNotFound) {
		return "", err
	}
	out, err = ask[version](ctx, r.call, opCreate, newSchema{
		RegistryID: registryID{r.registry}, SchemaName: name, SchemaDefinition: r.config.Definition,
		DataFormat: r.config.Format, Compatibility: r.config.Compatibility,
	})
	if err == nil {
		return out.ID, nil
	}
	if err = r.failure(opCreate, what, err); errors.Is(err, registry.ErrNotFound) {
		return "", connector.Systemic.Errorf("%v (create the registry, or look at registry)", err)
	}
	return "", err
}

// available is a version once AWS Glue has checked it.
func (r registrar) available(ctx context.Context, id, what string) (*serde.Schema, error) {
	for {
		out, err := ask[version](ctx, r.call, opVersion, byID{id})
		switch {
		case err != nil:
			return nil, r.failure(opVersion, "schema version "+id, err)
		case out.Status == statusFailure:
			return nil, connector.Systemic.Errorf("%s isn't compatible with the versions before: change definition, or the schema's compatibility", what)
		case out.Status != statusPending:
			if err := out.usable(what); err != nil {
				return nil, err
			}
			return out.schema(), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s isn't available yet: %w", what, context.Cause(ctx))
		case <-time.After(checkPause):
		}
	}
}
