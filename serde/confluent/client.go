package confluent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// Limits on what a schema may bring with it. Confluent's registry takes schemas of at most 1 MB (max.schema.size is 1048576).
const (
	maxSchema     = 1 << 20 // bytes of a schema's text
	maxReferences = 200     // schemas that one imports, directly and through others
	maxImported   = 4 << 20 // bytes of their texts
	maxNesting    = 32      // of imports
)

// A Client reads what is registered, and registers. It is safe for concurrent use. Its errors have the classes of the connector; that there is no such thing
// wraps [registry.ErrNotFound].
type Client struct {
	nodes []node
	http  *http.Client
	last  atomic.Int32 // the node that answered last
}

// A node is one of the registry's URLs.
type node struct {
	*sr.Client
	asked asked
}

// Connect makes the Client. It reads tls.ca_file, and makes no connection yet.
func (c Connection) Connect() (*Client, error) {
	if err := c.validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := c.httpClient()
	if err != nil {
		return nil, err
	}
	login := ""
	switch {
	case c.Token.IsSet():
		login = loginToken
	case c.User != "":
		login = loginUser
	}
	all := &Client{http: client}
	for _, u := range c.URL {
		one, err := sr.NewClient(sr.URLs(u), sr.HTTPClient(client), sr.UserAgent("millrace"))
		if err != nil {
			return nil, connector.Fatal.Errorf("url %s: %w", u, err)
		}
		all.nodes = append(all.nodes, node{one, asked{u, login}})
	}
	return all, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// call asks the node that answered last, and the others in turn while none answers.
func (c *Client) call(ctx context.Context, ask func(context.Context, *sr.Client) error) error {
	var err error
	first := int(c.last.Load())
	for i := range c.nodes {
		at := (first + i) % len(c.nodes)
		if err = ask(ctx, c.nodes[at].Client); err == nil {
			c.last.Store(int32(at))
			return nil
		}
		err = c.nodes[at].asked.failure(err)
		if ctx.Err() != nil || errors.Is(err, registry.ErrNotFound) || connector.ClassOf(err) != connector.Retryable {
			return err
		}
	}
	return err
}

// ByID is the schema of an id, with its subject and version. Where it is several subjects', that is the first of them
// by name; where the registry doesn't tell, there is none.
func (c *Client) ByID(ctx context.Context, id uint32) (*serde.Schema, error) {
	var s sr.Schema
	err := c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		s, err = r.SchemaByID(ctx, int(id))
		return filled(&s, err)
	})
	if err != nil {
		return nil, err
	}
	subject, version := c.use(ctx, id)
	return c.schema(ctx, sr.SubjectSchema{Subject: subject, Version: version, ID: int(id), Schema: s})
}

// use is a subject and a version that the schema of an id has. It is for people: a registry that doesn't tell (Confluent's does since 5.5) keeps no
// value from being decoded.
func (c *Client) use(ctx context.Context, id uint32) (subject string, version int) {
	var all []sr.SubjectVersion
	err := c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		all, err = r.SchemaVersionsByID(ctx, int(id))
		return err
	})
	if err != nil {
		return "", 0
	}
	for _, v := range all {
		if subject == "" || v.Subject < subject || v.Subject == subject && v.Version > version {
			subject, version = v.Subject, v.Version
		}
	}
	return subject, version
}

// Named is a version of a subject, the newest if number is 0.
func (c *Client) Named(ctx context.Context, subject string, number int64) (*serde.Schema, error) {
	s, err := c.named(ctx, subject, number)
	if err != nil {
		return nil, err
	}
	return c.schema(ctx, s)
}

func (c *Client) named(ctx context.Context, subject string, number int64) (s sr.SubjectSchema, err error) {
	if number <= 0 {
		number = -1 // sr's newest
	}
	err = c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		s, err = r.SchemaByVersion(ctx, subject, int(number))
		return filled(&s.Schema, err)
	})
	return s, err
}

// filled takes an answer without a schema for an error: something else answered.
func filled(s *sr.Schema, err error) error {
	if err == nil && s.Schema == "" {
		return errNoSchema
	}
	return err
}

// Versions calls f with the versions of a subject, the oldest first; those that were deleted are left out.
func (c *Client) Versions(ctx context.Context, subject string, f func(*serde.Schema) error) error {
	var numbers []int
	err := c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		numbers, err = r.SubjectVersions(ctx, subject)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		s, err := c.Named(ctx, subject, int64(n))
		if registry.Denied(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// Subjects are the names of the registry's subjects.
func (c *Client) Subjects(ctx context.Context) (names []string, err error) {
	err = c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		names, err = r.Subjects(ctx)
		return err
	})
	return names, err
}

// schema is what was answered, with what it imports.
func (c *Client) schema(ctx context.Context, s sr.SubjectSchema) (*serde.Schema, error) {
	if len(s.Schema.Schema) > maxSchema {
		return nil, fmt.Errorf("it has %d characters, at most %d are possible: %w", len(s.Schema.Schema), maxSchema, registry.ErrUnusable)
	}
	i := imports{client: c, names: map[string]bool{}}
	if err := i.add(ctx, s.References, 1); err != nil {
		return nil, err
	}
	return &serde.Schema{
		Format:     serde.Format(s.Type.String()),
		Name:       s.Subject,
		ID:         idText(uint32(s.ID)),
		Version:    int64(s.Version),
		Text:       s.Schema.Schema,
		References: i.found,
	}, nil
}

func idText(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

// imports are the schemas that another one needs, each behind those that it needs itself.
type imports struct {
	client *Client
	names  map[string]bool
	found  []serde.Reference
	bytes  int
}

// add fetches references that haven't been seen. Of two with one name the first counts, as for Confluent's deserializers.
func (i *imports) add(ctx context.Context, references []sr.SchemaReference, nesting int) error {
	if nesting > maxNesting && len(references) > 0 {
		return fmt.Errorf("its references are nested more than %d deep: %w", maxNesting, registry.ErrUnusable)
	}
	for _, r := range references {
		if i.names[r.Name] {
			continue
		}
		i.names[r.Name] = true // before its own are read: a circle ends here
		if len(i.names) > maxReferences {
			return fmt.Errorf("it has more than %d references: %w", maxReferences, registry.ErrUnusable)
		}
		// A subject that was deleted can still be referred to.
		s, err := i.client.named(sr.WithParams(ctx, sr.ShowDeleted), r.Subject, int64(r.Version))
		if err != nil {
			return fmt.Errorf("its reference %s (version %d of %s): %w", clip(r.Name), r.Version, clip(r.Subject), err)
		}
		if i.bytes += len(s.Schema.Schema); i.bytes > maxImported {
			return fmt.Errorf("its references have more than %d characters: %w", maxImported, registry.ErrUnusable)
		}
		if err := i.add(ctx, s.References, nesting+1); err != nil {
			return err
		}
		i.found = append(i.found, serde.Reference{Name: r.Name, Text: s.Schema.Schema})
	}
	return nil
}
