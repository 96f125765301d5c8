package dynamodb

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/identity"
)

// What DynamoDB takes (API reference, TableName). The groups of an ARN are its Region and the table's name.
var (
	tableNames = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)
	tableARNs  = regexp.MustCompile(`^arn:aws[a-z-]*:dynamodb:([a-z0-9-]+):\d{12}:table/([a-zA-Z0-9_.-]{3,255})$`)
)

const (
	maxInFlight = 256 // connections that a client opens
	maxGuard    = 100 // bytes of a name, far below the 64 KB of DynamoDB: each item pays for them
	maxUpdates  = 200 // attributes: DynamoDB takes expressions of 4 KB
)

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	errs := []error{
		c.Config.Validate(),
		identity.CheckURL("endpoint", c.Endpoint),
		c.validateTable(),
		oneOf("on_tombstone", c.OnTombstone, tombstoneFail, tombstoneIgnore, tombstoneDelete),
		oneOf("write", c.Write, writeFast, writeNewest),
		c.validateWhat(),
		c.validateTTL(),
		c.validateUpdate(),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(len(c.Key) == 0, "key: give the attributes of the table's primary key, such as {trip_id: key}")
	refuse(c.Version != "" && c.Write != writeNewest, "version: only counts with write: newest")
	refuse(c.Guard == "" || len(c.Guard) > maxGuard, "guard: has %d bytes; give a name of 1 to %d", len(c.Guard), maxGuard)
	refuse(c.KeepDeleted < 0, "keep_deleted: is negative")
	refuse(c.InFlight < 1 || c.InFlight > maxInFlight, "in_flight: is %d; must be 1 to %d", c.InFlight, maxInFlight)
	refuse(!utf8.ValidString(c.Guard), "guard: isn't UTF-8")
	for _, n := range c.names() {
		refuse(!utf8.ValidString(n.name), "%s: the name %q isn't UTF-8", n.setting, n.name)
		refuse(c.Guard != "" && c.Write == writeNewest && c.guards(n.name), "%s: %q belongs to guard: choose another name, or another guard", n.setting, n.name)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := c.compile()
	return err
}

func oneOf(name, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: is %q; must be one of %s", name, value, strings.Join(allowed, ", "))
}

func (c Config) validateTable() error {
	region, _ := c.parseTable()
	switch {
	case c.Table == "":
		return errors.New("table: give the table's name or ARN")
	case !tableNames.MatchString(c.Table) && region == "":
		return fmt.Errorf("table: is %q; must be a name of 3 to 255 letters, digits and _ - . or an ARN such as arn:aws:dynamodb:eu-west-1:123456789012:table/trips", c.Table)
	case region != "" && c.Region != "" && region != c.Region:
		return fmt.Errorf("region: is %s, but the table's ARN is of %s", c.Region, region)
	}
	return nil
}

// parseTable is the table's Region, "" where table is a name, and its name.
func (c Config) parseTable() (region, name string) {
	if m := tableARNs.FindStringSubmatch(c.Table); m != nil {
		return m[1], m[2]
	}
	return "", c.Table
}

// deletes: records may delete items.
func (c Config) deletes() bool { return c.DeleteWhen != "" || c.OnTombstone == tombstoneDelete }

func (u Update) inUse() bool { return len(u.Set)+len(u.Remove)+len(u.Add) > 0 }

// validateWhat checks that the settings say what is written, and by which requests that can be done.
func (c Config) validateWhat() error {
	puts := c.Item != "" || len(c.Attributes) > 0
	switch {
	case !puts && !c.Update.inUse():
		return errors.New("item: give an expression for the item, such as value, or attributes, or update")
	case puts && c.Update.inUse():
		return errors.New("update: changes single attributes, item and attributes write whole items: give only one of them")
	case len(c.Update.Add) > 0 && c.Write == writeFast:
		return errors.New("update.add: counts each record exactly once, which only write: newest can")
	case c.Update.inUse() && c.Write == writeFast:
		return errors.New("update: needs write: newest")
	case len(c.Update.Add) > 0 && c.deletes():
		return errors.New("update.add: can't go with deletions (delete_when, on_tombstone: delete): what was counted already would be forgotten")
	}
	return nil
}

func (c Config) validateTTL() error {
	t := c.TTL
	switch {
	case t.Attribute == "" && (t.After != 0 || t.At != ""):
		return errors.New("ttl.attribute: give the attribute's name")
	case t.After < 0:
		return errors.New("ttl.after: is negative")
	case t.After > 0 && t.At != "":
		return errors.New("ttl: after and at exclude each other")
	case t.Attribute != "" && t.After == 0 && t.At == "" && (c.Write != writeNewest || !c.deletes()):
		return errors.New("ttl: give after or at; without them the attribute only serves deletions with write: newest")
	}
	return nil
}

func (c Config) validateUpdate() error {
	u := c.Update
	if n := len(u.Set) + len(u.Remove) + len(u.Add); n > maxUpdates {
		return fmt.Errorf("update: changes %d attributes; at most %d", n, maxUpdates)
	}
	taken := map[string]string{}
	if c.TTL.Attribute != "" {
		taken[c.TTL.Attribute] = "ttl.attribute"
	}
	for _, a := range c.Key {
		taken[a.Name] = "key"
	}
	var errs []error
	for _, n := range c.names() {
		if !strings.HasPrefix(n.setting, "update.") {
			continue
		}
		switch {
		case n.name == "":
			errs = append(errs, fmt.Errorf("%s: an attribute has no name", n.setting))
		case taken[n.name] != "":
			errs = append(errs, fmt.Errorf("%s: %q is in %s already", n.setting, n.name, taken[n.name]))
		}
		taken[n.name] = n.setting
	}
	return errors.Join(errs...)
}

type name struct{ setting, name string }

// names are all names of attributes in the settings.
func (c Config) names() []name {
	var names []name
	add := func(setting string, list []Attribute) {
		for _, a := range list {
			names = append(names, name{setting, a.Name})
		}
	}
	add("key", c.Key)
	add("attributes", c.Attributes)
	add("update.set", c.Update.Set)
	for _, n := range c.Update.Remove {
		names = append(names, name{"update.remove", n})
	}
	add("update.add", c.Update.Add)
	if c.TTL.Attribute != "" {
		names = append(names, name{"ttl.attribute", c.TTL.Attribute})
	}
	return names
}

// guards: write: newest keeps positions in that attribute, or might.
func (c Config) guards(name string) bool {
	return name == c.Guard || strings.HasPrefix(name, c.Guard+":")
}
