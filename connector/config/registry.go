package config

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A Kind is what a plugin can be chosen for.
type Kind string

// The kinds of plugins, as messages name them.
const (
	KindSource     Kind = "source"
	KindSink       Kind = "sink"
	KindDeadLetter Kind = "dead letter"
	KindHandler    Kind = "handler"
	KindDecoder    Kind = "decoder"
)

// A Plugin is something that a configuration file can choose by name. The functions Source, Loader, Stager,
// DeadLetter, Handler and Decoder make one of a Config struct.
type Plugin struct {
	Kind   Kind
	Name   string
	Staged bool // a sink that is a Stager

	// live: what it opens reads its secrets when it needs them, and again when they were refused. The others are made of them once.
	live bool

	defaults func(connector string) any // a pointer to the Config struct
	open     func(ctx context.Context, config any, o origin) (any, error)
	store    SecretStore // alone, in what Secrets returns
}

// An origin is what a plugin may know of the connector that it is opened for.
type origin struct {
	connector string
	source    any // the source's Config
}

// A Registry holds the plugins of a build. It is a value: whoever builds a command lists its
// plugins, and no package registers itself. A Registry is safe for concurrent use.
type Registry struct {
	plugins []*Plugin
}

// NewRegistry holds the given plugins. Of two with the same kind and name the later one counts.
func NewRegistry(plugins ...*Plugin) *Registry {
	r := &Registry{}
	for _, p := range plugins {
		r.plugins = slices.DeleteFunc(r.plugins, func(q *Plugin) bool { return q.Kind == p.Kind && q.Name == p.Name })
		r.plugins = append(r.plugins, p)
	}
	return r
}

// Plugins are those of a kind, by name.
func (r *Registry) Plugins(k Kind) []*Plugin {
	var out []*Plugin
	for _, p := range r.plugins {
		if p.Kind == k {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *Plugin) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Find is the plugin of that kind and name, nil if the build has none.
func (r *Registry) Find(k Kind, name string) *Plugin {
	for _, p := range r.plugins {
		if p.Kind == k && p.Name == name {
			return p
		}
	}
	return nil
}

// Defaults is a pointer to a new Config struct with its defaults.
func (p *Plugin) Defaults() any { return p.defaults("") }

// validate calls Validate of a Config, if it has one.
func validate(config any) error {
	if v, ok := config.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// A Settings is a Config struct, or a pointer to one, that opens a T.
type Settings[T any] interface {
	Validate() error
	Open(ctx context.Context) (T, error)
}

// Source makes a plugin of a Config that opens a Consumer. Its defaults may depend on the connector's name.
func Source[C Settings[T], T connector.Consumer](name string, defaults func(connector string) C) *Plugin {
	return plugin[C, T](KindSource, name, defaults)
}

// Loader makes a plugin of a Config that opens a Loader.
func Loader[C Settings[T], T connector.Loader](name string, defaults func() C) *Plugin {
	return plugin[C, T](KindSink, name, unnamed(defaults))
}

// Stager makes a plugin of a Config that opens a Stager.
func Stager[C Settings[T], T connector.Stager](name string, defaults func() C) *Plugin {
	p := plugin[C, T](KindSink, name, unnamed(defaults))
	p.Staged = true
	return p
}

// Handler makes a plugin of a Config that opens a Handler.
func Handler[C Settings[T], T connector.Handler](name string, defaults func() C) *Plugin {
	return plugin[C, T](KindHandler, name, unnamed(defaults))
}

// Decoder makes a plugin of a Config that opens a Decoder.
func Decoder[C Settings[T], T serde.Decoder](name string, defaults func() C) *Plugin {
	return plugin[C, T](KindDecoder, name, unnamed(defaults))
}

// DecoderOf makes a plugin of a Config and of the function that makes a Decoder of it.
func DecoderOf[C interface{ Validate() error }, T serde.Decoder](name string, defaults func() C, make func(C) (T, error)) *Plugin {
	return &Plugin{
		Kind: KindDecoder, Name: name,
		defaults: func(string) any { return box(defaults()) },
		open: func(_ context.Context, config any, _ origin) (any, error) {
			c, ok := unbox[C](config)
			if !ok {
				return nil, wrongConfig(KindDecoder, name, config)
			}
			return make(c)
		},
	}
}

// PlainDecoder makes a plugin of a Decoder without settings.
func PlainDecoder(name string, d serde.Decoder) *Plugin {
	return &Plugin{
		Kind: KindDecoder, Name: name,
		defaults: func(string) any { return &struct{}{} },
		open:     func(context.Context, any, origin) (any, error) { return d, nil },
	}
}

// DeadLetter makes a plugin of a Config that opens a DeadLetter.
func DeadLetter[C Settings[T], T connector.DeadLetter](name string, defaults func() C) *Plugin {
	return plugin[C, T](KindDeadLetter, name, unnamed(defaults))
}

// DeadLetterBeside makes a plugin of a Config that opens a DeadLetter with the help of the source's settings of
// type S: a topic for dead letters is in the source's cluster unless it says otherwise. With another kind of source,
// source is S's zero value.
func DeadLetterBeside[C interface{ Validate() error }, S any, T connector.DeadLetter](name string, defaults func() C,
	open func(ctx context.Context, c C, source S, connectorName string) (T, error)) *Plugin {
	return &Plugin{
		Kind: KindDeadLetter, Name: name, live: true,
		defaults: func(string) any { return box(defaults()) },
		open: func(ctx context.Context, config any, o origin) (any, error) {
			var source S
			if o.source != nil {
				if s, ok := unbox[S](o.source); ok {
					source = s
				}
			}
			c, ok := unbox[C](config)
			if !ok {
				return nil, wrongConfig(KindDeadLetter, name, config)
			}
			return open(ctx, c, source, o.connector)
		},
	}
}

func plugin[C Settings[T], T any](k Kind, name string, defaults func(string) C) *Plugin {
	return &Plugin{
		Kind: k, Name: name, live: k != KindHandler,
		defaults: func(connector string) any { return box(defaults(connector)) },
		open: func(ctx context.Context, config any, _ origin) (any, error) {
			c, ok := unbox[C](config)
			if !ok {
				return nil, wrongConfig(k, name, config)
			}
			return c.Open(ctx)
		},
	}
}

func wrongConfig(k Kind, name string, config any) error {
	return fmt.Errorf("%s %s can't be made of a %T", k, name, config)
}

func unnamed[C any](defaults func() C) func(string) C {
	return func(string) C { return defaults() }
}

// box is a pointer to the struct that c is or points to.
func box[C any](c C) any {
	if isPointer(c) {
		return c
	}
	return &c
}

// unbox is the C that box took.
func unbox[C any](config any) (C, bool) {
	if c, ok := config.(C); ok {
		return c, true
	}
	if c, ok := config.(*C); ok && c != nil {
		return *c, true
	}
	var none C
	return none, false
}
