package redisgeo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

func TestValidate(t *testing.T) {
	if err := config("redis:6379").Validate(); err != nil {
		t.Errorf("a plain configuration is refused: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // "": valid
	}{
		"list in one text":     {func(c *Config) { c.Addrs = []string{"a:1, b:2,"} }, ""},
		"IPv6":                 {func(c *Config) { c.Addrs = []string{"[::1]:6379"} }, ""},
		"no address":           {func(c *Config) { c.Addrs = nil }, "addrs: give at least one"},
		"only commas":          {func(c *Config) { c.Addrs = []string{" , "} }, "addrs: give at least one"},
		"no port":              {func(c *Config) { c.Addrs = []string{"redis"} }, `addrs: "redis" isn't host:port`},
		"URL":                  {func(c *Config) { c.Addrs = []string{"redis://u:hunter2@redis:6379/1"} }, "addrs: \"redis://redis:6379/1\" is a URL"},
		"two single nodes":     {func(c *Config) { c.Addrs, c.Mode = []string{"a:1", "b:2"}, modeSingle }, "addrs: holds 2"},
		"mode":                 {func(c *Config) { c.Mode = "sentinel" }, `mode: is "sentinel"; must be one of auto, single, cluster`},
		"no key":               {func(c *Config) { c.Key = "" }, "key: give"},
		"key with a bad field": {func(c *Config) { c.Key = "cars#{value.}" }, "key: "},
		"key with {time}":      {func(c *Config) { c.Key = "cars#{time:HH}" }, "key: "},
		"companion's key":      {func(c *Config) { c.Key = "cars:millrace:seen" }, "key: "},
		"long key":             {func(c *Config) { c.Key = strings.Repeat("k", 1025) }, "key: has 1025 bytes"},
		"no member":            {func(c *Config) { c.Member = "" }, "member: give"},
		"bad member":           {func(c *Config) { c.Member = "value." }, "member: "},
		"no longitude":         {func(c *Config) { c.Longitude = "" }, "longitude: give"},
		"bad longitude":        {func(c *Config) { c.Longitude = "lng" }, "longitude: "},
		"no latitude":          {func(c *Config) { c.Latitude = "" }, "latitude: give"},
		"on_tombstone":         {func(c *Config) { c.OnTombstone = "delete" }, "on_tombstone: "},
		"write":                {func(c *Config) { c.Write = "" }, "write: "},
		"version with fast":    {func(c *Config) { c.Version = "value.seq" }, "version: only counts"},
		"bad version":          {func(c *Config) { c.Write, c.Version = writeNewest, "1 +" }, "version: "},
		"expire":               {func(c *Config) { c.Expire = connector.Duration(time.Millisecond) }, "expire: is 1ms; at least 1s"},
		"negative expire":      {func(c *Config) { c.Expire = -1 }, "expire: is negative"},
		"negative db":          {func(c *Config) { c.DB = -1 }, "db: "},
		"db of a cluster":      {func(c *Config) { c.DB, c.Mode = 1, modeCluster }, "db: "},
		"user only":            {func(c *Config) { c.Username = "u" }, "password: "},
		"tls not enabled":      {func(c *Config) { c.TLS.CAFile = "ca.pem" }, "tls: "},

		"iam":                    {byIAM, ""},
		"iam, as AWS finds it":   {func(c *Config) { byIAM(c); c.IAM = IAM{Cache: "my-cache"} }, ""},
		"iam without a cache":    {func(c *Config) { byIAM(c); c.IAM.Cache = "" }, `iam.cache: is ""`},
		"iam with an endpoint":   {func(c *Config) { byIAM(c); c.IAM.Cache = "my-cache.abc.cache.amazonaws.com" }, "iam.cache: is"},
		"iam without a user":     {func(c *Config) { byIAM(c); c.Username = "" }, "username: iam"},
		"iam and a password":     {func(c *Config) { byIAM(c); c.Password = secret.New("hunter2") }, "password: iam"},
		"iam without TLS":        {func(c *Config) { byIAM(c); c.TLS = TLS{} }, "tls: iam"},
		"iam of half a key":      {func(c *Config) { byIAM(c); c.IAM.SecretKey = secret.Text{} }, "iam: access_key and secret_key"},
		"iam of a bad role":      {func(c *Config) { byIAM(c); c.IAM.AssumeRole.ARN = "geo" }, "iam: assume_role.arn"},
		"serverless single node": {func(c *Config) { byIAM(c); c.IAM.Serverless, c.Mode = true, modeSingle }, "mode: a serverless"},
		"too rare":               {func(c *Config) { byIAM(c); c.IAM.ReauthAfter = connector.Duration(12 * time.Hour) }, "iam.reauth_after: is 12h"},
		"too often":              {func(c *Config) { byIAM(c); c.IAM.ReauthAfter = connector.Duration(time.Millisecond) }, "iam.reauth_after: is 1ms"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config("redis:6379", tc.change)
			err := c.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a password: %v", err)
			}
			if _, opened := c.Open(t.Context()); tc.want != "" && (opened == nil || opened.Error() != err.Error()) {
				t.Errorf("Open says %v, Validate %v", opened, err)
			}
		})
	}
}

func TestValidateNamesAllMistakes(t *testing.T) {
	err := Config{}.Validate()
	for _, want := range []string{"addrs", "mode", "key", "member", "longitude", "latitude", "on_tombstone", "write"} {
		if err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%v doesn't name %s", err, want)
		}
	}
}

func TestCAFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: "holds no certificate", empty + "x": "no such file"} {
		c := config("localhost:1", func(c *Config) { c.TLS = TLS{Enabled: true, CAFile: file} })
		if _, err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "tls.ca_file") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want tls.ca_file and %q", err, want)
		}
	}
}

func TestPasswordIsMasked(t *testing.T) {
	c := config("redis:6379", byIAM, func(c *Config) { c.Password, c.IAM.SecretKey = secret.New("hunter2"), secret.New("hunter2") })
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Password)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("the password shows in %s", shown)
		}
	}
}

// TestSample: the sample names settings that there are.
func TestSample(t *testing.T) {
	text, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sink struct {
			RedisGeo map[string]any `yaml:"redis_geo"`
		} `yaml:"sink"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for f := range reflect.TypeFor[Config]().Fields() {
		known[f.Tag.Get("yaml")] = true
	}
	if len(file.Sink.RedisGeo) < 5 {
		t.Fatalf("the sample has settings %v", file.Sink.RedisGeo)
	}
	for name := range file.Sink.RedisGeo {
		if !known[name] {
			t.Errorf("there is no setting %s", name)
		}
	}
}
