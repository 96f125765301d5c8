package connector

import "github.com/millrace/millrace/serde"

// A SchemaStatus is a schema that a decoder decodes with.
type SchemaStatus struct {
	Of      string `json:"of"`              // "key" or "value"
	Topic   string `json:"topic,omitempty"` // of the records that are assumed to be written with it; empty where they say so themselves
	Format  string `json:"format"`          // "AVRO", "JSON", "PROTOBUF"
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
	ID      string `json:"id,omitempty"` // of the version in its registry
}

// schemas are those that the decoders have used so far.
func (c *Connector) schemas() []SchemaStatus {
	return append(schemasOf("key", c.key), schemasOf("value", c.value)...)
}

func schemasOf(what string, d serde.Decoder) (all []SchemaStatus) {
	u, ok := d.(serde.SchemaUser)
	if !ok {
		return nil
	}
	for _, s := range u.Schemas() {
		all = append(all, SchemaStatus{
			Of: what, Topic: s.Topic, Format: string(s.Schema.Format), Name: s.Schema.Name, Version: s.Schema.Version, ID: s.Schema.ID,
		})
	}
	return all
}

// logSchemas logs the schemas that are used for the first time. It is the committer's: known holds what was logged.
func (c *Connector) logSchemas(known map[SchemaStatus]bool) {
	for _, s := range c.schemas() {
		if known[s] {
			continue
		}
		known[s] = true
		c.log.Info("a schema version is in use", "of", s.Of, "assumed_for_topic", s.Topic, "format", s.Format, "schema", s.Name, "version", s.Version, "schema_version_id", s.ID)
	}
}
