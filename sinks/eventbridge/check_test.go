package eventbridge

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

func TestCheckBus(t *testing.T) {
	for name, tc := range map[string]struct {
		bus, want string
	}{
		"there":   {"orders", ""},
		"by ARN":  {"arn:aws:events:eu-west-1:123456789012:event-bus/orders", ""},
		"missing": {"order", "bus: look for it in eu-west-1: DescribeEventBus on event bus order: ResourceNotFoundException: Event bus order does not exist (request 0f8d) (create the bus, or look at bus and region); with check_bus: false it isn't looked up"},
		"denied":  {"private", "(the credentials need events:DescribeEventBus on event bus private); with check_bus: false it isn't looked up"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s, err := d.config(func(c *Config) { c.Bus = tc.bus }).Open(t.Context())
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				equal(t, "calls", d.calls, []string{opDescribe})
				return
			}
			if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v of class %v, want %s", err, connector.ClassOf(err), tc.want)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		d := newDouble(t)
		d.open(t, func(c *Config) { c.Bus, c.CheckBus = "nowhere", false })
		equal(t, "calls", d.calls, nil)
	})
	t.Run("nobody answers", func(t *testing.T) {
		d := newDouble(t)
		c := d.config()
		d.Close()
		if _, err := c.Open(t.Context()); err == nil || connector.ClassOf(err) != connector.Retryable || !strings.Contains(err.Error(), "look at endpoint") || strings.Contains(err.Error(), "check_bus") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		d := newDouble(t)
		if _, err := d.config(func(c *Config) { c.Region = "us-east-1" }).Open(t.Context()); err == nil || connector.ClassOf(err) != connector.Systemic {
			t.Errorf("got %v", err)
		}
	})
}

// TestGlobalEndpoint: events go to the global endpoint, signed for all Regions; the bus is looked up in the Region.
func TestGlobalEndpoint(t *testing.T) {
	d := newDouble(t)
	d.endpoint, d.twoRegion = "abcde.veo", true
	s := d.open(t, func(c *Config) { c.GlobalEndpoint = "abcde.veo" })
	b := load(t, s, records(keys(12)...)...)
	equal(t, "failed", failed(b), nil)
	equal(t, "calls", d.calls, []string{opDescribe, opPut, opPut})
	equal(t, "entries", d.entries, []int{10, 2})
}

// TestRegion: where calls go without endpoint.
func TestRegion(t *testing.T) {
	d := newDouble(t)
	s := d.open(t, func(c *Config) {
		c.Region, c.Endpoint, c.CheckBus, c.Bus = "", "", false, "arn:aws-cn:events:cn-north-1:123456789012:event-bus/b"
	})
	if r := s.client.Region(); r != "cn-north-1" {
		t.Errorf("the Region is %s", r)
	}
	for region, want := range map[string]string{
		"eu-west-1":  "https://abcde.veo.endpoint.events.amazonaws.com",
		"cn-north-1": "https://abcde.veo.endpoint.events.amazonaws.com.cn",
	} {
		if got := globalURL("abcde.veo", region); got != want {
			t.Errorf("in %s: %s, want %s", region, got, want)
		}
	}
}
