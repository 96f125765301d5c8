package catalog

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/internal/table"
)

// attempts is how often an update is made anew because somebody else was faster. Each of them has succeeded, so that the next one is soon through.
const attempts = 10

var errForeign = connector.Retryable.Errorf("the answer isn't one of AWS Glue: is endpoint, or a proxy on the way, something else?")

// A Catalog keeps the tables of one database. It is safe for concurrent use.
type Catalog struct {
	client *awsjson.Client
	config Config

	mu     sync.Mutex
	tables map[string]*tableState // by name
	known  recent                 // partitions that are there, with the table that they have the columns of
}

// A tableState is what partitions need of a table. It is never changed.
type tableState struct {
	storage record
	columns []storedColumn
	text    string // of storage: tells states apart
}

// Connect makes the client of valid settings. It calls nothing but what the AWS SDK asks for a profile.
func Connect(ctx context.Context, c Config) (*Catalog, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Database = strings.ToLower(c.Database)
	client, err := awsjson.Connect(ctx, service(), c.Config, awsjson.Options{Endpoint: c.Endpoint, Place: "database " + c.Database})
	if err != nil {
		return nil, err
	}
	return &Catalog{client: client, config: c, tables: map[string]*tableState{}}, nil
}

// Close closes the connections.
func (c *Catalog) Close() error { return c.client.Close() }

// Ensure makes the table, or gives the one that is there what it lacks: columns, wider types, properties. It is to be called at the start and
// whenever columns change. Where another writer changes the table at the same time, both changes are in it. Errors are Retryable or Systemic.
func (c *Catalog) Ensure(ctx context.Context, t Table) (Change, error) {
	change, err := c.ensure(ctx, t)
	if err != nil {
		return change, fmt.Errorf("keep table %s.%s of the Data Catalog in step: %w", c.config.Database, t.Name, err)
	}
	return change, nil
}

func (c *Catalog) ensure(ctx context.Context, t Table) (Change, error) {
	d, err := c.define(t)
	if err != nil {
		return Change{}, connector.Systemic.Wrap(err)
	}
	for range attempts {
		change, done, err := c.step(ctx, d)
		if done || err != nil {
			return change, err
		}
	}
	return Change{}, connector.Retryable.Errorf("others changed it %d times meanwhile", attempts)
}

// step reads the table and changes it, if need be. It isn't done if somebody else was faster.
func (c *Catalog) step(ctx context.Context, d *definition) (change Change, done bool, err error) {
	s, err := c.get(ctx, d.name)
	if err != nil {
		return Change{}, false, err
	}
	if s == nil {
		done, err = c.create(ctx, d)
		return Change{Created: done}, done, err
	}
	change, not, err := s.merge(d)
	if err != nil {
		return Change{}, false, connector.Systemic.Wrap(err)
	}
	if len(not) > 0 {
		if c.config.OnIncompatible != incompatibleIgnore {
			return Change{}, false, connector.Systemic.Errorf("%s (change the table, or what is written; on_incompatible: ignore leaves it as it is)", strings.Join(not, "; "))
		}
		change.Ignored = not
	}
	if change.Any() {
		if done, err = c.update(ctx, d.name, s); !done || err != nil {
			return Change{}, false, err
		}
	}
	c.remember(d.name, s)
	return change, true, nil
}

// request is a request's body.
func (c *Catalog) request(members record) []byte {
	if c.config.CatalogID != "" {
		members["CatalogId"] = encoded(c.config.CatalogID)
	}
	return encoded(members)
}

func (c *Catalog) call(ctx context.Context, operation, name string, members record) ([]byte, error) {
	reply, err := c.client.Call(ctx, operation, c.request(members), nil)
	return reply, c.explain(operation, name, err)
}

// get is a table, nil if there is none.
func (c *Catalog) get(ctx context.Context, name string) (*stored, error) {
	reply, err := c.call(ctx, opGetTable, name, record{"DatabaseName": encoded(c.config.Database), "Name": encoded(name)})
	if code(err) == codeMissing {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseTable(reply)
}

// Schema is the columns of a table as it stands, without its partition keys. Their names are in lower case, and all may be null.
func (c *Catalog) Schema(ctx context.Context, name string) (*table.Schema, error) {
	s, err := c.get(ctx, strings.ToLower(name))
	if err == nil && s == nil {
		err = connector.Systemic.Errorf("there is none of this name in Region %s (look at database, table, catalog_id and region)", c.client.Region())
	}
	var schema *table.Schema
	if err == nil {
		columns := make([]table.HiveColumn, len(s.columns))
		for i, found := range s.columns {
			columns[i] = table.HiveColumn{Name: found.name, Type: found.typ, Comment: found.comment}
		}
		schema, err = table.FromHive(name, columns)
		err = connector.Systemic.Wrap(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read table %s.%s of the Data Catalog: %w", c.config.Database, name, err)
	}
	return schema, nil
}

// create makes a table, and its database if that is wanted. It isn't done if somebody else made one first.
func (c *Catalog) create(ctx context.Context, d *definition) (done bool, err error) {
	request := record{"DatabaseName": encoded(c.config.Database), "TableInput": encoded(d.input())}
	_, err = c.call(ctx, opCreateTable, d.name, request)
	if code(err) == codeMissing && c.config.CreateDatabase {
		if err := c.createDatabase(ctx); err != nil {
			return false, err
		}
		_, err = c.call(ctx, opCreateTable, d.name, request)
	}
	switch code(err) {
	case codeExists, codeConflict:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s := &stored{storage: d.storage()}
	s.readStorage()
	c.remember(d.name, s)
	return true, nil
}

func (c *Catalog) createDatabase(ctx context.Context) error {
	_, err := c.call(ctx, opCreateDatabase, "", record{"DatabaseInput": encoded(map[string]string{"Name": c.config.Database})})
	if code(err) == codeExists {
		return nil
	}
	return err
}

// update writes a table over the version that was read. It isn't done if that is no longer the newest.
func (c *Catalog) update(ctx context.Context, name string, s *stored) (done bool, err error) {
	_, err = c.call(ctx, opUpdateTable, name, record{
		"DatabaseName": encoded(c.config.Database), "TableInput": encoded(s.input), "VersionId": encoded(s.version), "SkipArchive": encoded(c.config.SkipArchive),
	})
	switch code(err) {
	case codeConflict, codeMissing: // changed, or removed
		return false, nil
	}
	return err == nil, err
}

// remember keeps a table for its partitions.
func (c *Catalog) remember(name string, s *stored) {
	state := &tableState{storage: s.storage, columns: s.columns, text: string(encoded(s.storage))}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.tables[name]; old == nil || old.text != state.text {
		c.tables[name] = state
	}
}

// state is what is known of a table, nil if nothing is.
func (c *Catalog) state(name string) *tableState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tables[name]
}

// forget drops what is known of a table.
func (c *Catalog) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tables, name)
}
