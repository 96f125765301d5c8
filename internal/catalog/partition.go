package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

// Limits of calls (AWS Glue API reference, "Partition API").
const (
	createLimit = 100
	getLimit    = 1000
	updateLimit = 100
)

// A Partition is a folder of a table.
type Partition struct {
	// Values of the table's keys, in their order.
	Values []string
	// Location is the folder, s3://bucket/folder/dt=2026-11-20/.
	Location string
}

// Partitions registers those that the Data Catalog doesn't have, with the columns that the table has now, and gives those that it has the columns that were
// added to the table since. It calls nothing where all of them are known, and never unless partitions is register. Errors are Retryable or Systemic.
func (c *Catalog) Partitions(ctx context.Context, t Table, list []Partition) error {
	if c.config.Partitions != PartitionsRegister || len(t.Keys) == 0 || len(list) == 0 {
		return nil
	}
	name := strings.ToLower(t.Name)
	state := c.state(name)
	if state != nil && !slices.ContainsFunc(list, func(p Partition) bool { return !c.knows(name, p, state) }) {
		return nil
	}
	if state == nil {
		if _, err := c.Ensure(ctx, t); err != nil {
			return err
		}
		state = c.state(name)
	}
	r := registration{c: c, name: name, keys: len(t.Keys), state: state}
	err := r.run(ctx, list)
	if code(err) == codeMissing { // the table was removed: the next try makes it
		c.forget(name)
		err = connector.Retryable.Wrap(err)
	}
	if err != nil {
		return fmt.Errorf("register partitions of %s.%s in the Data Catalog: %w", c.config.Database, name, err)
	}
	return nil
}

// knows reports whether a partition is there with the columns of state.
func (c *Catalog) knows(table string, p Partition, state *tableState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.get(partitionKey(table, p)) == state
}

func partitionKey(table string, p Partition) string {
	return table + "\x00" + strings.Join(p.Values, "\x00")
}

// A registration is one call of Partitions that has something to do.
type registration struct {
	c     *Catalog
	name  string
	keys  int
	state *tableState
}

func (r *registration) run(ctx context.Context, list []Partition) error {
	var fresh, there []Partition
	seen := map[string]bool{}
	for _, p := range list {
		if len(p.Values) != r.keys {
			return connector.Systemic.Errorf("partition %q has %d values; the table has %d keys", p.Values, len(p.Values), r.keys)
		}
		key := partitionKey(r.name, p)
		if seen[key] {
			continue
		}
		seen[key] = true
		r.c.mu.Lock()
		state := r.c.known.get(key)
		r.c.mu.Unlock()
		switch state {
		case nil:
			fresh = append(fresh, p)
		case r.state:
		default:
			there = append(there, p)
		}
	}
	for part := range slices.Chunk(fresh, createLimit) {
		existing, err := r.create(ctx, part)
		if err != nil {
			return err
		}
		there = append(there, existing...)
	}
	for part := range slices.Chunk(there, getLimit) {
		if err := r.renew(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// done remembers partitions that have the table's columns.
func (r *registration) done(list []Partition) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, p := range list {
		r.c.known.put(partitionKey(r.name, p), r.state)
	}
}

func (r *registration) call(ctx context.Context, operation, list string, value any, answer any) error {
	reply, err := r.c.call(ctx, operation, r.name, record{
		"DatabaseName": encoded(r.c.config.Database), "TableName": encoded(r.name), list: encoded(value),
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply, answer); err != nil {
		return errForeign
	}
	return nil
}

// A partError is what was said of one partition.
type partError struct {
	PartitionValues, PartitionValueList []string // the first of a creation, the other of an update
	ErrorDetail                         struct{ ErrorCode, ErrorMessage string }
}

// failed is the error of a partition.
func (r *registration) failed(operation string, e partError) error {
	values := append(e.PartitionValues, e.PartitionValueList...)
	a := &awsjson.Answer{Status: http.StatusBadRequest, Code: e.ErrorDetail.ErrorCode, Message: e.ErrorDetail.ErrorMessage}
	err := r.c.client.Judge(operation, a.Code).Wrap(fmt.Sprintf("%s of %q: %s", operation, values, a.Error()), a, nil)
	return r.c.explain(operation, r.name, err)
}

// create registers partitions, and returns those that are there already.
func (r *registration) create(ctx context.Context, list []Partition) (existing []Partition, err error) {
	inputs := make([]record, len(list))
	for i, p := range list {
		storage := cloned(r.state.storage)
		storage["Location"] = encoded(p.Location)
		inputs[i] = record{"Values": encoded(p.Values), "StorageDescriptor": encoded(storage)}
	}
	var answer struct{ Errors []partError }
	if err := r.call(ctx, opCreatePartitions, "PartitionInputList", inputs, &answer); err != nil {
		return nil, err
	}
	var failure error
	refused := map[string]bool{}
	for _, e := range answer.Errors {
		at := slices.IndexFunc(list, func(p Partition) bool { return slices.Equal(p.Values, e.PartitionValues) })
		if at < 0 {
			return nil, errForeign
		}
		refused[partitionKey(r.name, list[at])] = true
		if e.ErrorDetail.ErrorCode == codeExists {
			existing = append(existing, list[at])
		} else {
			failure = r.failed(opCreatePartitions, e)
		}
	}
	r.done(slices.DeleteFunc(slices.Clone(list), func(p Partition) bool { return refused[partitionKey(r.name, p)] }))
	return existing, failure
}

func cloned(r record) record {
	to := make(record, len(r))
	for name, value := range r {
		to[name] = value
	}
	return to
}

// partitionInputs are the members of a Partition that a PartitionInput has too, but for the StorageDescriptor.
var partitionInputs = []string{"Values", "LastAccessTime", "LastAnalyzedTime", "Parameters"}

// renew looks at partitions that are there, and updates those that lack columns of the table: what a partition hasn't, Athena doesn't read of its files.
func (r *registration) renew(ctx context.Context, list []Partition) error {
	wanted := make([]record, len(list))
	for i, p := range list {
		wanted[i] = record{"Values": encoded(p.Values)}
	}
	var answer struct {
		Partitions      []record
		UnprocessedKeys []json.RawMessage
	}
	if err := r.call(ctx, opGetPartitions, "PartitionsToGet", wanted, &answer); err != nil {
		return err
	}
	if len(answer.UnprocessedKeys) > 0 {
		return connector.Retryable.Errorf("%s gave only some of the partitions", opGetPartitions)
	}
	var updates []record
	missing := slices.Clone(list)
	for _, found := range answer.Partitions {
		at, update, err := r.renewed(found, list)
		if err != nil {
			return err
		}
		missing = slices.DeleteFunc(missing, func(p Partition) bool { return slices.Equal(p.Values, list[at].Values) })
		if update != nil {
			updates = append(updates, update)
		}
	}
	for part := range slices.Chunk(updates, updateLimit) {
		var answer struct{ Errors []partError }
		if err := r.call(ctx, opUpdatePartitions, "Entries", part, &answer); err != nil {
			return err
		}
		for _, e := range answer.Errors {
			return r.failed(opUpdatePartitions, e)
		}
	}
	for part := range slices.Chunk(missing, createLimit) { // those that were removed
		if existing, err := r.create(ctx, part); len(existing) > 0 || err != nil {
			return cmp.Or(err, connector.Retryable.Errorf("partitions appear and disappear: %q", existing))
		}
	}
	r.done(list)
	return nil
}

// renewed is the update of a partition, nil if it needs none, and which of the list it is. Its folder must be the one that is written to.
func (r *registration) renewed(found record, list []Partition) (at int, update record, err error) {
	var values []string
	var s stored
	found.decode("Values", &values)
	found.decode("StorageDescriptor", &s.storage)
	at = slices.IndexFunc(list, func(p Partition) bool { return slices.Equal(p.Values, values) })
	if at < 0 || s.storage == nil {
		return 0, nil, errForeign
	}
	s.readStorage()
	if !sameFolder(s.location, list[at].Location) && r.c.config.OnIncompatible != incompatibleIgnore {
		return 0, nil, connector.Systemic.Errorf("partition %q is in %s, the objects are in %s (remove the partition, or change path; on_incompatible: ignore leaves it as it is)", values, s.location, list[at].Location)
	}
	columns := s.follow(r.state.columns)
	if columns == nil {
		return at, nil, nil
	}
	storage := cloned(s.storage)
	storage["Columns"] = encoded(columns)
	if info, ok := r.state.storage["SerdeInfo"]; ok {
		storage["SerdeInfo"] = info // AvroSerDe's schema is in it
	}
	input := record{"StorageDescriptor": encoded(storage)}
	for _, name := range partitionInputs {
		if value, ok := found[name]; ok && string(value) != "null" {
			input[name] = value
		}
	}
	return at, record{"PartitionValueList": encoded(values), "PartitionInput": encoded(input)}, nil
}

// follow is the table's columns with those that only the partition has behind them, nil if the partition has all of the table's.
func (s *stored) follow(columns []storedColumn) []storedColumn {
	missing := false
	for _, c := range columns {
		missing = missing || !slices.ContainsFunc(s.columns, func(o storedColumn) bool { return o.name == c.name && strings.EqualFold(o.typ, c.typ) })
	}
	if !missing {
		return nil
	}
	columns = slices.Clone(columns)
	for _, c := range s.columns {
		if !slices.ContainsFunc(columns, func(o storedColumn) bool { return o.name == c.name }) {
			columns = append(columns, c)
		}
	}
	return columns
}
