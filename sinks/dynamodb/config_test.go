package dynamodb

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

func TestValidate(t *testing.T) {
	const arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/trips"
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // "": valid
	}{
		"as it is":                {func(*Config) {}, ""},
		"newest":                  {newest, ""},
		"update":                  {updating, ""},
		"sum":                     {summing, ""},
		"update and deletions":    {func(c *Config) { updating(c); deleting(c) }, ""},
		"attributes":              {func(c *Config) { c.Item, c.Attributes = "", []Attribute{{"n", "value.n"}} }, ""},
		"item and attributes":     {func(c *Config) { c.Attributes = []Attribute{{"n", "value.n"}} }, ""},
		"ARN":                     {func(c *Config) { c.Table = arn }, ""},
		"ARN of China":            {func(c *Config) { c.Region, c.Table = "", "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/trips" }, ""},
		"ttl after":               {func(c *Config) { c.TTL = TTL{Attribute: "until", After: 1e9} }, ""},
		"ttl at":                  {func(c *Config) { c.TTL = TTL{Attribute: "until", At: "value.until"} }, ""},
		"ttl of markers":          {func(c *Config) { newest(c); deleting(c); expiring(c) }, ""},
		"guard's name with fast":  {func(c *Config) { c.Attributes = []Attribute{{"_millrace", "value.n"}} }, ""},
		"no table":                {func(c *Config) { c.Table = "" }, "table: give"},
		"bad table":               {func(c *Config) { c.Table = "a b c" }, `table: is "a b c"`},
		"short table":             {func(c *Config) { c.Table = "ab" }, `table: is "ab"`},
		"ARN of something else":   {func(c *Config) { c.Table = strings.Replace(arn, "table", "stream", 1) }, `table: is "arn`},
		"ARN of another Region":   {func(c *Config) { c.Table = strings.Replace(arn, "eu", "us", 1) }, "region: is eu-west-1, but"},
		"bad region":              {func(c *Config) { c.Region = "Ireland!" }, "region is"},
		"bad endpoint":            {func(c *Config) { c.Endpoint = "localhost:8000" }, "endpoint must be a URL"},
		"endpoint of credentials": {func(c *Config) { c.Endpoint = "http://169.254.169.254" }, "link-local"},
		"no key":                  {func(c *Config) { c.Key = nil }, "key: give"},
		"three keys":              {func(c *Config) { c.Key = []Attribute{{"a", "key"}, {"b", "key"}, {"c", "key"}} }, "key: has 3"},
		"bad key":                 {func(c *Config) { c.Key[0].Rule = "value." }, "key.id: "},
		"nothing to write":        {func(c *Config) { c.Item = "" }, "item: give"},
		"bad item":                {func(c *Config) { c.Item = "1 +" }, "item: "},
		"bad attribute":           {func(c *Config) { c.Attributes = []Attribute{{"n", ""}} }, "attributes.n: "},
		"update and item":         {func(c *Config) { updating(c); c.Item = "value" }, "update: changes single"},
		"update and attributes":   {func(c *Config) { updating(c); c.Attributes = []Attribute{{"x", "key"}} }, "update: changes single"},
		"update with fast":        {func(c *Config) { updating(c); c.Write = writeFast }, "update: needs write: newest"},
		"sum with fast":           {func(c *Config) { summing(c); c.Write = writeFast }, "update.add: counts each record exactly once"},
		"sum and tombstones":      {func(c *Config) { summing(c); deleting(c) }, "update.add: can't go with deletions"},
		"sum and delete_when":     {func(c *Config) { summing(c); c.DeleteWhen = "value.n == 0" }, "update.add: can't go with deletions"},
		"bad sum":                 {func(c *Config) { summing(c); c.Update.Add[0].Rule = "value." }, "update.add.sum: "},
		"bad set":                 {func(c *Config) { updating(c); c.Update.Set[0].Rule = "value." }, "update.set.n: "},
		"key in update":           {func(c *Config) { updating(c); c.Update.Set[0].Name = "id" }, `update.set: "id" is in key already`},
		"key removed":             {func(c *Config) { updating(c); c.Update.Remove = []string{"id"} }, `update.remove: "id" is in key already`},
		"set and removed":         {func(c *Config) { updating(c); c.Update.Remove = []string{"n"} }, `update.remove: "n" is in update.set already`},
		"set twice":               {func(c *Config) { updating(c); c.Update.Set[1].Name = "n" }, `update.set: "n" is in update.set already`},
		"set and sum":             {func(c *Config) { updating(c); c.Update.Add = []Attribute{{"m", "value.m"}} }, `update.add: "m" is in update.set already`},
		"ttl in update":           {func(c *Config) { updating(c); c.TTL = TTL{Attribute: "n", After: 1e9} }, `update.set: "n" is in ttl.attribute already`},
		"no name":                 {func(c *Config) { updating(c); c.Update.Remove = []string{""} }, "update.remove: an attribute has no name"},
		"too many":                {func(c *Config) { updating(c); c.Update.Remove = make([]string, 201) }, "update: changes 203"},
		"attribute twice":         {func(c *Config) { c.Attributes = []Attribute{{"x", "key"}, {"x", "key"}} }, `"x" is in attributes already`},
		"key in attributes":       {func(c *Config) { c.Attributes = []Attribute{{"id", "key"}} }, `"id" is in key already`},
		"not UTF-8":               {func(c *Config) { updating(c); c.Update.Remove = []string{"\xff"} }, "isn't UTF-8"},
		"ttl without attribute":   {func(c *Config) { c.TTL.After = 1e9 }, "ttl.attribute: give"},
		"ttl at of nothing":       {func(c *Config) { c.TTL.At = "value.until" }, "ttl.attribute: give"},
		"ttl twice":               {func(c *Config) { c.TTL = TTL{"until", 1e9, "value.until"} }, "ttl: after and at"},
		"ttl for nothing":         {func(c *Config) { newest(c); c.TTL.Attribute = "until" }, "ttl: give after or at"},
		"ttl, fast deletions":     {func(c *Config) { deleting(c); c.TTL.Attribute = "until" }, "ttl: give after or at"},
		"negative ttl":            {func(c *Config) { c.TTL = TTL{Attribute: "until", After: -1} }, "ttl.after: is negative"},
		"bad ttl":                 {func(c *Config) { c.TTL = TTL{Attribute: "until", At: "1 +"} }, "ttl.at: "},
		"version with fast":       {func(c *Config) { c.Version = "value.n" }, "version: only counts"},
		"bad version":             {func(c *Config) { newest(c); c.Version = "1 +" }, "version: "},
		"no guard":                {func(c *Config) { c.Guard = "" }, "guard: has 0 bytes"},
		"long guard":              {func(c *Config) { c.Guard = strings.Repeat("g", 101) }, "guard: has 101 bytes"},
		"guard's name":            {func(c *Config) { newest(c); c.Attributes = []Attribute{{"_millrace", "value.n"}} }, `attributes: "_millrace" belongs to guard`},
		"guard's beginning":       {func(c *Config) { updating(c); c.Update.Set[0].Name = "_millrace:x" }, `update.set: "_millrace:x" belongs to guard`},
		"key of the guard's name": {func(c *Config) { newest(c); c.Key[0].Name = "_millrace" }, `key: "_millrace" belongs to guard`},
		"bad delete_when":         {func(c *Config) { c.DeleteWhen = "1 +" }, "delete_when: "},
		"on_tombstone":            {func(c *Config) { c.OnTombstone = "remove" }, `on_tombstone: is "remove"; must be one of fail, ignore, delete`},
		"write":                   {func(c *Config) { c.Write = "" }, `write: is ""`},
		"keep_deleted":            {func(c *Config) { c.KeepDeleted = -1 }, "keep_deleted: is negative"},
		"no request":              {func(c *Config) { c.InFlight = 0 }, "in_flight: is 0"},
		"too many requests":       {func(c *Config) { c.InFlight = 257 }, "in_flight: is 257"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config("http://localhost:1", tc.change)
			err := c.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, opened := c.Open(t.Context()); tc.want != "" && (opened == nil || opened.Error() != err.Error()) {
				t.Errorf("Open says %v, Validate %v", opened, err)
			}
		})
	}
}

func TestValidateNamesAllMistakes(t *testing.T) {
	err := Config{}.Validate()
	for _, want := range []string{"table", "key", "item", "on_tombstone", "write", "guard", "in_flight"} {
		if err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%v doesn't name %s", err, want)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	c := config("http://localhost:1", func(c *Config) { c.AssumeRole.ExternalID = secret.New("hunter2") })
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v", c, c, c)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("the secret shows in %s", shown)
		}
	}
}

// TestDryRun: what Load refuses of a record's content is known without a table.
func TestDryRun(t *testing.T) {
	l, err := config("http://localhost:1", newest).DryRun()
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "", value: `{"n":1}`}, rec{key: "b"}, rec{key: "c", value: `{"_millrace":1}`}, rec{key: "d", value: `{}`})
	if err := l.Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, bad := range []bool{false, true, true, true, false} {
		if (b.Err(i) != nil) != bad || bad && connector.ClassOf(b.Err(i)) != connector.Permanent {
			t.Errorf("record %d: %v", i, b.Err(i))
		}
	}
	if _, err := config("http://localhost:1", func(c *Config) { c.Item = "1 +" }).DryRun(); err == nil {
		t.Error("a bad expression passes")
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
			DynamoDB map[string]any `yaml:"dynamodb"`
		} `yaml:"sink"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"region": true}
	for f := range reflect.TypeFor[Config]().Fields() {
		known[f.Tag.Get("yaml")] = true
	}
	if len(file.Sink.DynamoDB) < 5 {
		t.Fatalf("the sample has settings %v", file.Sink.DynamoDB)
	}
	for name := range file.Sink.DynamoDB {
		if !known[name] {
			t.Errorf("there is no setting %s", name)
		}
	}
}
