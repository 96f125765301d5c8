package confluent_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde/confluent"
)

func TestValidate(t *testing.T) {
	type change = func(*confluent.Config)
	for want, c := range map[string]change{
		"":                           func(c *confluent.Config) { c.URL = []string{"https://a", "http://b:8081/api"} },
		"url: give the":              func(c *confluent.Config) { c.URL = nil },
		"url: an address is":         func(c *confluent.Config) { c.URL = []string{"https://a", ""} },
		"url must be a URL":          func(c *confluent.Config) { c.URL = []string{"a:8081"} },
		"hold credentials: set user": func(c *confluent.Config) { c.URL = []string{"https://u:canary@a"} },
		"url is a link-local":        func(c *confluent.Config) { c.URL = []string{"http://169.254.169.254"} },
		"user and password must":     func(c *confluent.Config) { c.User = "u" },
		"user and password must ":    func(c *confluent.Config) { c.Password = secret.New("canary") },
		"token excludes":             func(c *confluent.Config) { c.Token, c.User = secret.New("canary"), "u" },
		"user can't hold":            func(c *confluent.Config) { c.User, c.Password = "u:v", secret.New("canary") },
		"tls: no url begins":         func(c *confluent.Config) { c.URL, c.TLS.CAFile = []string{"http://a"}, "x" },
		"tls.key_file needs":         func(c *confluent.Config) { c.TLS.KeyFile = "x" },
		"tls.key_password needs":     func(c *confluent.Config) { c.TLS.KeyPassword = secret.New("canary") },
		"timestamps is":              func(c *confluent.Config) { c.Timestamps = "iso" },
		"plain is":                   func(c *confluent.Config) { c.Plain = "" },
		"reader: ":                   func(c *confluent.Config) { c.Reader = "{" },
		"assume.version is":          func(c *confluent.Config) { c.Assume.Version = "0" },
		"assume.version is \"-1":     func(c *confluent.Config) { c.Assume.Version = "-1" },
		"assume.version is \"429":    func(c *confluent.Config) { c.Assume.Version = "4294967296" },
		"assume.subject is":          func(c *confluent.Config) { c.Assume.Subject = "{key}" },
		"assume.topics: \"[\"":       func(c *confluent.Config) { c.Assume.Topics = []confluent.TopicSubject{{Topic: "[", Subject: "s"}} },
		"the subject of t is":        func(c *confluent.Config) { c.Assume.Topics = []confluent.TopicSubject{{Topic: "t"}} },
		"the version of t is": func(c *confluent.Config) {
			c.Assume.Topics = []confluent.TopicSubject{{Topic: "t", Subject: "s", Version: "x"}}
		},
	} {
		config := confluent.DefaultConfig()
		config.URL = []string{"https://a"}
		c(&config)
		err := config.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("error is %v, want %q", err, want)
		}
		if _, err := config.Open(t.Context()); (err == nil) != (want == "") {
			t.Errorf("open: %v", err)
		}
	}
}

func TestValidateEncoder(t *testing.T) {
	type change = func(*confluent.EncoderConfig)
	for want, c := range map[string]change{
		"":                   func(*confluent.EncoderConfig) {},
		"url: give":          func(c *confluent.EncoderConfig) { c.URL = nil },
		"subject is empty":   func(c *confluent.EncoderConfig) { c.Subject = "" },
		"format is":          func(c *confluent.EncoderConfig) { c.Format = "avro" },
		"definition: avro: ": func(c *confluent.EncoderConfig) { c.Definition = "{" },
		"definition has":     func(c *confluent.EncoderConfig) { c.Definition = strings.Repeat(" ", 2<<20) },
		"need definition":    func(c *confluent.EncoderConfig) { c.Register = true },
		"references: \"n\"":  func(c *confluent.EncoderConfig) { c.References = []confluent.Reference{{Name: "n", Subject: "s"}} },
	} {
		config := confluent.DefaultEncoderConfig()
		config.URL = []string{"https://a"}
		c(&config)
		if err := config.Validate(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}
