package catalog

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/internal/template"
)

// Config is the settings of the AWS Glue Data Catalog.
type Config struct {
	identity.Config `yaml:",inline"`
	// URL of AWS Glue, https or http, such as that of a VPC endpoint. Empty: that of AWS in region. The environment's (AWS_ENDPOINT_URL) doesn't count.
	Endpoint string `yaml:"endpoint"`
	// Account whose Data Catalog it is, 12 digits. Empty: that of the credentials.
	CatalogID string `yaml:"catalog_id"`
	// Name of the database. Upper case becomes lower case, as everywhere in the Data Catalog.
	Database string `yaml:"database"`
	// Create the database if it isn't there.
	CreateDatabase bool `yaml:"create_database"`
	// Name of the table. It can hold {topic} and {connector}, in which capitals become small letters, and what isn't a letter, a digit or _ becomes _.
	Table string `yaml:"table" kind:"template"`
	// Folder of the table, s3://bucket/folder/. Empty: the folder of the objects, up to the first one named key=value.
	Location string `yaml:"location"`

	// register: partitions are created when their first object is there. projection: Athena computes them from properties of the table (its
	// partition projection), and none is created. none: they are left to others, such as a crawler or MSCK REPAIR TABLE.
	Partitions string `yaml:"partitions"`
	// Types of partition keys that aren't string: {hour: int}. One of string, int, bigint, date.
	PartitionTypes map[string]string `yaml:"partition_types"`
	// First day that partition projection looks for.
	ProjectionFrom string `yaml:"projection_from"`

	// Properties of the table, such as {owner: web}. They replace others of the same name. One such as projection.city.type replaces all that
	// partition projection would say of city.
	Properties map[string]string `yaml:"properties"`
	// What happens when the table can't take the columns, format or folder of the objects, such as a number where it has a string. fail: nothing more is
	// delivered until somebody changes one of them. ignore: the table stays as it is in that place.
	OnIncompatible string `yaml:"on_incompatible"`
	// Keep no old version of the table when it is updated. With them, changes can be looked at and taken back; an account has a quota of them.
	SkipArchive bool `yaml:"skip_archive"`
}

// The values of partitions and on_incompatible.
const (
	PartitionsRegister   = "register"
	PartitionsProjection = "projection"
	PartitionsNone       = "none"

	incompatibleFail   = "fail"
	incompatibleIgnore = "ignore"
)

// DefaultConfig holds the defaults.
func DefaultConfig() Config {
	return Config{Table: "{topic}", Partitions: PartitionsRegister, ProjectionFrom: "2020-01-01", OnIncompatible: incompatibleFail}
}

// What AWS Glue takes (its API reference, "Single-line string pattern"), and what Athena reads without quotes (Athena User Guide, "Name databases, tables,
// and columns").
var (
	accounts  = regexp.MustCompile(`^\d{12}$`)
	databases = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	tables    = regexp.MustCompile(`^[a-z0-9_]+$`)
	locations = regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\x00-\x1f]*)?$`)
)

const (
	maxName     = 255    // bytes of a table's or a column's name
	maxKey      = 255    // bytes of a property's name
	maxProperty = 512000 // bytes of a property's value

	dayLayout = "2006-01-02"
)

// keyTypes are the types of partition keys that values in paths are read as.
var keyTypes = []string{"string", "int", "bigint", "date"}

// Validate checks the settings; nothing is called.
func (c Config) Validate() error {
	errs := []error{
		c.Config.Validate(),
		identity.CheckURL("endpoint", c.Endpoint),
		oneOf("partitions", c.Partitions, PartitionsRegister, PartitionsProjection, PartitionsNone),
		oneOf("on_incompatible", c.OnIncompatible, incompatibleFail, incompatibleIgnore),
		c.validateProperties(),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.CatalogID != "" && !accounts.MatchString(c.CatalogID), "catalog_id: is %q; must be an account, 12 digits", c.CatalogID)
	refuse(!databases.MatchString(c.Database), "database: is %q; must be a name of letters, digits, _ and -", c.Database)
	refuse(c.Location != "" && !locations.MatchString(c.Location), "location: is %q; must be such as s3://bucket/folder/", c.Location)
	for _, key := range slices.Sorted(maps.Keys(c.PartitionTypes)) {
		errs = append(errs, oneOf("partition_types."+key, c.PartitionTypes[key], keyTypes...))
	}
	_, err := time.Parse(dayLayout, c.ProjectionFrom)
	refuse(c.Partitions == PartitionsProjection && err != nil, "projection_from: is %q; must be a day such as 2026-01-31", c.ProjectionFrom)
	_, err = c.TableName()
	return errors.Join(append(errs, err)...)
}

func (c Config) validateProperties() error {
	for key, value := range c.Properties {
		if key == "" || len(key) > maxKey || len(value) > maxProperty {
			return fmt.Errorf("properties: %.40q has %d bytes and its value %d; a name has 1 to %d, a value at most %d", key, len(key), len(value), maxKey, maxProperty)
		}
	}
	return nil
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: is %q; must be one of %s", name, value, strings.Join(allowed, ", "))
}

// TableName compiles the setting table. The names that it gives are legal, and the same for all records of a batch.
func (c Config) TableName() (*template.Template, error) {
	t, err := template.Compile(c.Table, template.Options{Escape: AppendName})
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if !t.Constant() {
		return nil, errors.New("table: can hold {topic} and {connector}, and nothing that a record holds")
	}
	if c.Table == "" || !tables.MatchString(fields.ReplaceAllString(c.Table, "x")) {
		return nil, fmt.Errorf("table: is %q; must be a name of small letters, digits and _, with fields in braces", c.Table)
	}
	return t, nil
}

// fields are the parts of a template's text that stand for something else.
var fields = regexp.MustCompile(`\{[^{}]*\}`)

// AppendName appends name, such as a topic's, as a table may have it in its own: capitals become small letters, and what isn't a letter or a digit of ASCII
// becomes _. Different names may give the same.
func AppendName(dst, name []byte) []byte {
	for _, b := range name {
		switch {
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9':
		default:
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}
