package confluent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/endpoint"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// Connection is the settings by which a registry is reached.
type Connection struct {
	// URL of the registry, https or http. Several, of the nodes of one cluster, are asked in turn when one doesn't answer.
	URL []string `yaml:"url"`
	// User, for a registry that asks for one: in Confluent Cloud, the key of its API key.
	User string `yaml:"user"`
	// Password of user. It is sent to whoever answers at url: use https.
	Password secret.Text `yaml:"password"`
	// Token that is sent as "Authorization: Bearer", instead of user and password.
	Token secret.Text `yaml:"token"`
	// Encryption of connections to https URLs. The registry's certificate is always verified.
	TLS TLS `yaml:"tls"`
}

// TLS is the settings of encryption, by TLS 1.2 or newer.
type TLS struct {
	// File with the certificates (PEM) of the authorities that may sign the registry's. Empty: those of the system.
	CAFile string `yaml:"ca_file"`
	// Name that the registry's certificate must hold. Empty: the host of url.
	ServerName string `yaml:"server_name"`
	// File with this client's certificate in PEM, followed by those of intermediate authorities, for a registry that asks for one. It is read
	// at every connection.
	CertFile string `yaml:"cert_file"`
	// File with the private key of cert_file in PEM. Empty: cert_file holds it too.
	KeyFile string `yaml:"key_file"`
	// Password of the private key, if it has one.
	KeyPassword secret.Text `yaml:"key_password"`
}

// Config is the confluent decoder's configuration.
type Config struct {
	Connection `yaml:",inline"`
	// Folder with schemas, read before the registry is asked: ID.avsc, ID.json or ID.proto, ID being the number of the schema, and
	// versions.json with their subjects. Empty: none.
	SchemaFolder string `yaml:"schema_folder"`
	// What Avro's and Protobuf's timestamps become: rfc3339, a time that JSON shows by RFC 3339, or epoch, the number as it was written.
	Timestamps string `yaml:"timestamps"`
	// Avro schema by which values are read, whatever version wrote them: its names, its types, its defaults. Empty: the schema that wrote them.
	Reader string `yaml:"reader"`
	// Whether JSON is validated by its schema.
	ValidateJSON bool `yaml:"validate"`
	// What a value is that has no header: json, string, bytes, or none, which makes it an error. As string or bytes, a value that begins with a
	// byte 0 and has 5 bytes or more is still taken for one with a header.
	Plain string `yaml:"plain"`
	// Schemas of values that are written without a header.
	Assume Assume `yaml:"assume"`
	// Limits of JSON documents; see their own defaults.
	Limits serde.Limits `yaml:"limits"`
}

// Assume says which schemas the values of topics were written with that carry no header. Every value of such a topic is taken
// for one without: its first bytes are no header, whatever they are.
//
// The version is chosen when the first record of a topic is decoded, and stays until the end of the process.
type Assume struct {
	// Subject of the schema, such as {topic}-value; {topic} is the name of the topic. Empty: values have headers, but for those of topics.
	Subject string `yaml:"subject" short:"true" kind:"template"`
	// Version of the subject: latest, or a number.
	Version string `yaml:"version"`
	// Protobuf message, by its full name. Empty: the only one that the schema has beside those inside of others.
	Message string `yaml:"message"`
	// Subjects of single topics, in place of subject. The first that fits counts.
	Topics []TopicSubject `yaml:"topics"`
}

// TopicSubject is the subject of topics.
type TopicSubject struct {
	// Name of the topic, in which * stands for any letters and ? for any one.
	Topic string `yaml:"topic" key:"true"`
	// Subject of the schema; {topic} is the name of the topic.
	Subject string `yaml:"subject" short:"true" kind:"template"`
	// Version of the subject: latest, or a number. Empty: that of assume.
	Version string `yaml:"version"`
}

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{Timestamps: registry.TimestampsRFC3339, Plain: registry.PlainJSON, Assume: Assume{Version: registry.Latest}}
}

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	return errors.Join(c.Connection.validate(), c.settings().Validate(), c.Assume.validate())
}

// settings are those that aren't Confluent's alone.
func (c Config) settings() registry.Settings {
	return registry.Settings{
		SchemaFolder: c.SchemaFolder, Timestamps: c.Timestamps, Reader: c.Reader, Message: c.Assume.Message,
		ValidateJSON: c.ValidateJSON, Plain: c.Plain, Limits: c.Limits,
	}
}

func (c Connection) validate() error {
	var errs []error
	if len(c.URL) == 0 {
		errs = append(errs, errors.New("url: give the registry's URL, such as https://registry.example.com"))
	}
	encrypted := false
	for _, u := range c.URL {
		errs = append(errs, checkURL(u))
		encrypted = encrypted || strings.HasPrefix(strings.ToLower(u), "https:")
	}
	switch {
	case c.Token.IsSet() && (c.User != "" || c.Password.IsSet()):
		errs = append(errs, errors.New("token excludes user and password"))
	case (c.User != "") != c.Password.IsSet():
		errs = append(errs, errors.New("user and password must be set both, or neither"))
	case strings.Contains(c.User, ":"):
		errs = append(errs, errors.New("user can't hold a colon (RFC 7617)"))
	}
	return errors.Join(append(errs, c.TLS.validate(encrypted))...)
}

func checkURL(text string) error {
	if text == "" {
		return errors.New("url: an address is empty")
	}
	return endpoint.Check("url", text, "user and password")
}

func (t TLS) validate(encrypted bool) error {
	switch {
	case !encrypted && (t.CAFile != "" || t.ServerName != "" || t.CertFile != ""):
		return errors.New("tls: no url begins with https, without it the tls settings do nothing")
	case t.KeyFile != "" && t.CertFile == "":
		return errors.New("tls.key_file needs tls.cert_file")
	case t.KeyPassword.IsSet() && t.CertFile == "":
		return errors.New("tls.key_password needs tls.cert_file")
	}
	return nil
}

// checkSubject checks the name of a subject, with {topic} in it or not.
func checkSubject(setting, subject string, optional bool) error {
	rest := strings.ReplaceAll(subject, registry.TopicField, "")
	switch {
	case subject == "" && !optional:
		return fmt.Errorf("%s is empty", setting)
	case strings.ContainsAny(rest, "{}"):
		return fmt.Errorf("%s is %q; the only field that it may hold is %s", setting, subject, registry.TopicField)
	case strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return fmt.Errorf("%s is %q; it can't hold control characters", setting, subject)
	}
	return nil
}

func checkVersion(setting, version string) error {
	if _, ok := registry.ParseVersion(version); !ok {
		return fmt.Errorf("%s is %q; it must be %s, or a number from 1", setting, version, registry.Latest)
	}
	return nil
}
