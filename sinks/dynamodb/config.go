package dynamodb

import (
	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// Config is the configuration of the sink dynamodb.
type Config struct {
	identity.Config `yaml:",inline"`
	// URL of DynamoDB, https or http, such as that of a VPC endpoint or of DynamoDB Local. Empty: that of AWS in region. The environment's
	// (AWS_ENDPOINT_URL) doesn't count.
	Endpoint string `yaml:"endpoint"`
	// Name or ARN of the table, which must be there. The Region of an ARN counts where region isn't set.
	Table string `yaml:"table"`

	// The attributes of the table's primary key, each with an expression: {trip_id: key}. All of them, and no others.
	Key []Attribute `yaml:"key"`
	// Expression for an object whose members become attributes, such as value.
	Item string `yaml:"item" kind:"rule"`
	// Attributes, each with an expression, besides those of item or in their place. One that is missing is left out.
	Attributes []Attribute `yaml:"attributes"`
	// Changes of single attributes, in place of item and attributes: the others stay as they are. Needs write: newest.
	Update Update `yaml:"update"`
	// Attributes whose arrays are stored as sets (of texts, numbers or bytes): tags, or meta.tags inside of another.
	Sets []string `yaml:"sets"`
	// Condition for deleting the item, such as value == nil, which is a tombstone, or value.op == "d". It comes before on_tombstone, which counts for
	// tombstones that the condition can't be evaluated for.
	DeleteWhen string `yaml:"delete_when" kind:"rule"`
	// What a tombstone does for which delete_when isn't true: fail (it goes to the dead letter), ignore, or delete.
	OnTombstone string `yaml:"on_tombstone"`
	// When DynamoDB removes items by itself.
	TTL TTL `yaml:"ttl"`

	// fast puts items by requests of up to 25, the last of each key; newest never lets an older record replace a newer one, such as after a replay or
	// when keys move to other partitions, at the price of a request for each item and about 90 bytes in it.
	Write string `yaml:"write"`
	// Expression for what decides between records of different partitions with write: newest: an integer or a timestamp; the highest
	// wins. Empty: the record's timestamp. Within a partition the offset decides.
	Version string `yaml:"version" kind:"rule"`
	// Name of the attribute that write: newest keeps in each item: which record it is of. update.add has one more for each partition, whose names
	// begin with this one and a colon.
	Guard string `yaml:"guard"`
	// How long write: newest keeps the key of a deleted item, by the attribute of ttl and from the time when it was deleted, so that an older record
	// doesn't bring it back. Without ttl.attribute it is kept for ever.
	KeepDeleted connector.Duration `yaml:"keep_deleted"`
	// Most requests under way, 1 to 256.
	InFlight int `yaml:"in_flight"`
}

// An Attribute is an attribute of an item with the rule that computes it.
type Attribute struct {
	// Name of the attribute.
	Name string `yaml:"name" key:"true"`
	// Expression that gives its value, such as value.car_id.
	Rule string `yaml:"rule" kind:"rule" short:"true"`
}

// Update is changes of single attributes of an item, which is made where it doesn't exist.
type Update struct {
	// Attributes to set, each with an expression. One that is missing stays as it is. A record older than the item's newest sets nothing.
	Set []Attribute `yaml:"set"`
	// Attributes to remove.
	Remove []string `yaml:"remove"`
	// Attributes to add a number to, or elements to a set (see sets), each with an expression. Each record counts exactly once, also after a replay.
	Add []Attribute `yaml:"add"`
}

// TTL says when DynamoDB removes an item, by an attribute that TTL has to be enabled for on the table.
type TTL struct {
	// Name of the attribute, a number of seconds since 1970. An update without a time for it removes it.
	Attribute string `yaml:"attribute"`
	// Time from the record's timestamp until then.
	After connector.Duration `yaml:"after"`
	// Expression for the time itself, a timestamp or a number of seconds since 1970, in place of after. Where it is missing the item stays for ever.
	At string `yaml:"at" kind:"rule"`
}

// The values of on_tombstone and write.
const (
	tombstoneFail   = "fail"
	tombstoneIgnore = "ignore"
	tombstoneDelete = "delete"

	writeFast   = "fast"
	writeNewest = "newest"
)

// DefaultConfig holds the defaults.
func DefaultConfig() Config {
	return Config{
		OnTombstone: tombstoneFail, Write: writeFast, Guard: "_millrace", KeepDeleted: connector.Duration(7 * 24 * 3600e9), InFlight: 32,
	}
}
