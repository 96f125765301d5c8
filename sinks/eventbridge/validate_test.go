package eventbridge

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/connector/secret"
)

// onBus is a plain configuration.
func onBus(change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Bus = "orders"
	for _, f := range change {
		f(&c)
	}
	return c
}

func TestValidate(t *testing.T) {
	const arn = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
	offload := func(change func(*Offload)) func(*Config) {
		return func(c *Config) {
			c.Oversize.S3.Bucket, c.Oversize.S3.Prefix = "parts", "events/"
			change(&c.Oversize.S3)
		}
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // "": valid
	}{
		"plain":                  {func(*Config) {}, ""},
		"ARN":                    {func(c *Config) { c.Bus = arn }, ""},
		"ARN and its Region":     {func(c *Config) { c.Bus, c.Region = arn, "eu-west-1" }, ""},
		"partner's bus":          {func(c *Config) { c.Bus = "aws.partner/example.com/acme" }, ""},
		"no bus":                 {func(c *Config) { c.Bus = "" }, "bus is missing"},
		"bad name":               {func(c *Config) { c.Bus = `a"b` }, "bus is"},
		"ARN of a rule":          {func(c *Config) { c.Bus = "arn:aws:events:eu-west-1:123456789012:rule/orders" }, "bus is"},
		"ARN elsewhere":          {func(c *Config) { c.Bus, c.Region = arn, "us-east-1" }, "region is us-east-1, but bus is one of eu-west-1"},
		"endpoint":               {func(c *Config) { c.Endpoint = "ftp://x" }, "endpoint"},
		"endpoint with a user":   {func(c *Config) { c.Endpoint = "https://u:hunter2@x" }, "endpoint"},
		"global endpoint":        {func(c *Config) { c.GlobalEndpoint = "abcde.veo" }, ""},
		"bad global endpoint":    {func(c *Config) { c.GlobalEndpoint = "https://abcde.veo.endpoint" }, "global_endpoint is"},
		"half a key":             {func(c *Config) { c.SecretKey = secret.New("hunter2") }, "access_key and secret_key"},
		"detail":                 {func(c *Config) { c.Detail = "key" }, `detail is "key"; it must be one of record, value`},
		"headers":                {func(c *Config) { c.Headers = "" }, "headers is"},
		"order":                  {func(c *Config) { c.Order = "partition" }, "order is"},
		"max_request too large":  {func(c *Config) { c.MaxRequest = 1<<20 + 1 }, "max_request is"},
		"max_request too small":  {func(c *Config) { c.MaxRequest = 100 }, "max_request is 100B"},
		"max_request of old":     {func(c *Config) { c.MaxRequest = 256 << 10 }, ""},
		"no calls":               {func(c *Config) { c.InFlight = 0 }, "in_flight is 0"},
		"too many calls":         {func(c *Config) { c.InFlight = 1001 }, "in_flight is 1001"},
		"rate":                   {func(c *Config) { c.Rate = 0.5 }, ""},
		"negative rate":          {func(c *Config) { c.Rate = -1 }, "rate is -1"},
		"NaN":                    {func(c *Config) { c.Rate = math.NaN() }, "rate is NaN"},
		"endless":                {func(c *Config) { c.Rate = math.Inf(1) }, "rate is +Inf"},
		"rate_share":             {func(c *Config) { c.Rate, c.RateShare = 1, "topics" }, "rate_share is"},
		"share of nothing":       {func(c *Config) { c.RateShare = sharePartitions }, "rate_share: partitions needs rate"},
		"share":                  {func(c *Config) { c.Rate, c.RateShare = 1, sharePartitions }, ""},
		"source of AWS":          {func(c *Config) { c.Source = "aws.ec2" }, "source: "},
		"bad detail-type":        {func(c *Config) { c.DetailType.Text = "{value." }, "detail_type.text: "},
		"offload":                {offload(func(*Offload) {}), ""},
		"offload without bucket": {func(c *Config) { c.Oversize.S3.Prefix = "p" }, "oversize.s3.bucket is missing"},
		"offload of a bad name":  {offload(func(o *Offload) { o.Bucket = "s3://parts" }), "oversize.s3: bucket is"},
		"offload when":           {offload(func(o *Offload) { o.When = "" }), `oversize.s3: when is ""`},
		"offload nothing":        {offload(func(o *Offload) { o.Field = "" }), "oversize.s3: field is missing"},
		"offload the key":        {offload(func(o *Offload) { o.Field = "key" }), "oversize.s3.field: "},
		"prefix with a quote":    {offload(func(o *Offload) { o.Prefix = `a"` }), "oversize.s3: prefix is"},
		"prefix with a slash":    {offload(func(o *Offload) { o.Prefix = "/a" }), "oversize.s3: prefix is"},
		"long prefix":            {offload(func(o *Offload) { o.Prefix = strings.Repeat("a", 901) }), "oversize.s3: prefix is"},
	} {
		t.Run(name, func(t *testing.T) {
			c := onBus(tc.change)
			err := c.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if tc.want == "" {
				return // Open would look for AWS
			}
			if _, opened := c.Open(t.Context()); opened == nil || opened.Error() != err.Error() {
				t.Errorf("Open says %v, Validate %v", opened, err)
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	c := onBus(func(c *Config) {
		c.SecretKey, c.Oversize.S3.SecretKey, c.AssumeRole.ExternalID = secret.New("hunter2"), secret.New("hunter2"), secret.New("hunter2")
	})
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v", c, c, c)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("a secret shows in %s", shown)
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
			EventBridge map[string]any `yaml:"eventbridge"`
		} `yaml:"sink"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		known[name] = true
	}
	if len(file.Sink.EventBridge) < 5 {
		t.Fatalf("the sample has settings %v", file.Sink.EventBridge)
	}
	for name := range file.Sink.EventBridge {
		if !known[name] {
			t.Errorf("there is no setting %s", name)
		}
	}
}
