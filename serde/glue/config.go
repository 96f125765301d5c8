package glue

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/registry"
)

// Connection is the settings by which a registry is reached.
type Connection struct {
	identity.Config `yaml:",inline"`
	// URL of AWS Glue, https or http, such as that of a VPC endpoint. Empty: that of AWS in region. The environment's (AWS_ENDPOINT_URL) doesn't count.
	Endpoint string `yaml:"endpoint"`
	// Name of the registry. What a value names by its id is found in whichever registry of the account it is.
	Registry string `yaml:"registry"`
}

// Config is the glue decoder's configuration.
type Config struct {
	Connection `yaml:",inline"`
	// Folder with schemas, read before the registry is asked: ID.avsc, ID.json or ID.proto, ID being that of the schema version, and
	// versions.json with their names. "millrace schema pull" fills it. Empty: none.
	SchemaFolder string `yaml:"schema_folder"`
	// What Avro's and Protobuf's timestamps become: rfc3339, a time that JSON shows by RFC 3339, or epoch, the number as it was written.
	Timestamps string `yaml:"timestamps"`
	// Avro schema by which values are read, whatever version wrote them: its names, its types, its defaults. Empty: the schema that wrote them.
	Reader string `yaml:"reader"`
	// Whether JSON is validated by its schema. AWS's serializer did that already.
	ValidateJSON bool `yaml:"validate"`
	// What a value is that has no header: json, string, bytes, or none, which makes it an error.
	Plain string `yaml:"plain"`
	// Schemas of values that are written without a header.
	Assume Assume `yaml:"assume"`
	// How large a compressed value may be when it is unpacked.
	MaxMessage connector.Bytes `yaml:"max_message"`
	// A Confluent registry, whose values are told by their first byte, 0. Without its url there is none.
	Confluent confluent.Config `yaml:"confluent"`
	// Limits of JSON documents; see their own defaults.
	Limits serde.Limits `yaml:"limits"`
}

// Assume says which schemas the values of topics were written with that carry no header. Every value of such a topic is taken
// for one without: its first bytes are no header, whatever they are.
//
// The version is chosen when the first record of a topic is decoded, and stays until the end of the process.
type Assume struct {
	// Name of the schema. {topic} is the name of the topic. Empty: values have headers, but for those of topics.
	Schema string `yaml:"schema" short:"true" kind:"template"`
	// Version of the schema: latest, a number, or the id of a schema version.
	Version string `yaml:"version"`
	// Protobuf message, by its full name. Empty: the first of the schema.
	Message string `yaml:"message"`
	// Schemas of single topics, in place of schema. The first that fits counts.
	Topics []TopicSchema `yaml:"topics"`
}

// TopicSchema is the schema of topics.
type TopicSchema struct {
	// Name of the topic, in which * stands for any letters and ? for any one.
	Topic string `yaml:"topic" key:"true"`
	// Name of the schema. {topic} is the name of the topic.
	Schema string `yaml:"schema" short:"true" kind:"template"`
	// Version of the schema: latest, a number, or the id of a schema version. Empty: that of assume.
	Version string `yaml:"version"`
}

const (
	defaultRegistry = "default-registry" // AWS Glue Developer Guide, "AWS Glue Schema registry"
	defaultMessage  = 16 << 20
	maxMessage      = 1 << 30
)

func defaultConnection() Connection { return Connection{Registry: defaultRegistry} }

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{
		Connection: defaultConnection(), Timestamps: registry.TimestampsRFC3339, Plain: registry.PlainJSON, MaxMessage: defaultMessage,
		Assume: Assume{Version: registry.Latest}, Confluent: confluent.DefaultConfig(),
	}
}

// names are what registries and schemas may be called (API reference, CreateRegistry and CreateSchema).
var names = regexp.MustCompile(`^[A-Za-z0-9_$#.-]{1,255}$`)

func (c Connection) validate() error {
	errs := []error{identity.CheckURL("endpoint", c.Endpoint), c.Config.Validate()}
	if !names.MatchString(c.Registry) {
		errs = append(errs, fmt.Errorf("registry is %q; it must be a name such as %s", c.Registry, defaultRegistry))
	}
	return errors.Join(errs...)
}

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	errs := []error{c.Connection.validate(), c.settings().Validate(), c.Assume.validate(), c.validateConfluent()}
	if c.MaxMessage < 1 || c.MaxMessage > maxMessage {
		errs = append(errs, fmt.Errorf("max_message is %s; it must be 1B to 1GiB", c.MaxMessage))
	}
	return errors.Join(errs...)
}

// settings are those that aren't AWS Glue's alone.
func (c Config) settings() registry.Settings {
	return registry.Settings{
		SchemaFolder: c.SchemaFolder, Timestamps: c.Timestamps, Reader: c.Reader, Message: c.Assume.Message,
		ValidateJSON: c.ValidateJSON, Plain: c.Plain, Limits: c.Limits,
	}
}

func (c Config) validateConfluent() error {
	if len(c.Confluent.URL) == 0 {
		if !reflect.DeepEqual(c.Confluent, confluent.DefaultConfig()) {
			return errors.New("confluent.url is missing: give the registry's URL, or leave confluent out")
		}
		return nil
	}
	if c.Confluent.Assume.Subject != "" || len(c.Confluent.Assume.Topics) > 0 {
		return errors.New("confluent.assume can't be set here: a value is Confluent's by its header")
	}
	if err := c.Confluent.Validate(); err != nil {
		return fmt.Errorf("confluent: %w", err)
	}
	return nil
}

// checkName checks the name of a schema, with {topic} in it or not.
func checkName(setting, name string, optional bool) error {
	if optional && name == "" || names.MatchString(strings.ReplaceAll(name, registry.TopicField, "t")) {
		return nil
	}
	return fmt.Errorf("%s is %q; it must have 1 to 255 letters, digits and . - _ $ #, or {topic}", setting, name)
}
