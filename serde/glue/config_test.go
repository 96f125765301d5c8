package glue_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/serde/registry"
)

func TestValidate(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*glue.Config)
		want   string
	}{
		"defaults":        {func(*glue.Config) {}, ""},
		"region":          {func(c *glue.Config) { c.Region = "Ireland" }, "region is"},
		"endpoint":        {func(c *glue.Config) { c.Endpoint = "http://169.254.169.254" }, "endpoint is a link-local address"},
		"half a key":      {func(c *glue.Config) { c.AccessKey = secret.New("hush") }, "access_key and secret_key"},
		"registry":        {func(c *glue.Config) { c.Registry = "a b" }, "registry is"},
		"timestamps":      {func(c *glue.Config) { c.Timestamps = "unix" }, "timestamps is"},
		"plain":           {func(c *glue.Config) { c.Plain = "xml" }, "plain is"},
		"max_message":     {func(c *glue.Config) { c.MaxMessage = 0 }, "max_message is"},
		"reader":          {func(c *glue.Config) { c.Reader = "{" }, "reader: "},
		"limits":          {func(c *glue.Config) { c.Limits.Depth = -1 }, "limits: "},
		"assumed schema":  {func(c *glue.Config) { c.Assume.Schema = "{Topic}" }, "assume.schema is"},
		"version 0":       {func(c *glue.Config) { c.Assume.Version = "0" }, "assume.version is"},
		"version":         {func(c *glue.Config) { c.Assume.Version = "newest" }, "assume.version is"},
		"pattern":         {func(c *glue.Config) { c.Assume.Topics = []glue.TopicSchema{{Topic: "[", Schema: "s"}} }, "no pattern"},
		"topic's schema":  {func(c *glue.Config) { c.Assume.Topics = []glue.TopicSchema{{Topic: "t"}} }, "the schema of t is"},
		"topic's version": {func(c *glue.Config) { c.Assume.Topics = []glue.TopicSchema{{Topic: "t", Schema: "s", Version: "x"}} }, "the version of t is"},
		"confluent":       {func(c *glue.Config) { c.Confluent.URL = []string{"registry"} }, "confluent: url"},
		"no URL":          {func(c *glue.Config) { c.Confluent.User = "u" }, "confluent.url is missing"},
		"confluent's assume": {func(c *glue.Config) {
			c.Confluent.URL, c.Confluent.Assume.Subject = []string{"http://localhost:8081"}, "s"
		}, "confluent.assume can't be set here"},
	} {
		c := glue.DefaultConfig()
		x.change(&c)
		err := c.Validate()
		check(t, name, err, x.want)
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: a secret in %v", name, err)
		}
		if x.want != "" {
			if _, err := c.Open(t.Context()); connector.ClassOf(err) != connector.Fatal {
				t.Errorf("%s: Open: %v", name, err)
			}
		}
	}
}

func TestRegionIsMissing(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "nowhere")
	t.Setenv("AWS_PROFILE", "")
	_, err := glue.DefaultConfig().Open(t.Context())
	if connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "set region, or AWS_REGION") {
		t.Errorf("got %v", err)
	}
}

func TestClient(t *testing.T) {
	server := points(t)
	server.register("00000000-0000-0000-0000-000000000004", "trips", "AVRO", point2, 4) // 3 was deleted
	server.register("00000000-0000-0000-0000-000000000005", "trips", "AVRO", point2, 5).status = "FAILURE"
	server.register("00000000-0000-0000-0000-000000000006", "other", "JSON", "{}", 1)
	c, err := server.connection().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	folder := registry.Folder{Dir: t.TempDir()}
	if err := c.Versions(t.Context(), "trips", folder.Save); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int64]bool{1: true, 2: true, 3: false, 4: true, 5: false} {
		if _, ok, err := folder.Named("trips", version); ok != want || err != nil {
			t.Errorf("version %d: %t, %v", version, ok, err)
		}
	}
	if names, err := c.Schemas(t.Context()); err != nil || strings.Join(names, " ") != "trips other" {
		t.Errorf("schemas %v, %v", names, err)
	}
	if s, err := c.Named(t.Context(), "trips", 2); err != nil || s.ID != point2ID || s.Text != point2 {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := c.Versions(t.Context(), "nothing", folder.Save); err == nil || !strings.Contains(err.Error(), "AWS Glue in eu-west-1 has no schema nothing in registry fleet") {
		t.Errorf("got %v", err)
	}
	id, err := glue.ParseID(point2ID)
	if err != nil {
		t.Fatal(err)
	}
	server.fail(&reply{400, "AccessDeniedException", "no"})
	for right, err := range map[string]error{
		"glue:GetSchema on":        c.Versions(t.Context(), "trips", folder.Save),
		"glue:ListSchemas on":      second(c.Schemas(t.Context())),
		"glue:GetSchemaVersion on": second(c.Version(t.Context(), id)),
	} {
		if connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), right) {
			t.Errorf("%s: %v", right, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
