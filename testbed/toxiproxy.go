package testbed

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A Proxy is a TCP proxy before a service, whose network it makes bad: it works as long as the test asks for nothing else. Its methods are
// called by one goroutine. Each trouble replaces the one before, for open connections too. There is none of a small bandwidth: toxiproxy's
// logs to stderr.
type Proxy struct {
	Addr string // 127.0.0.1:15123, the same while it is down

	proxy *toxiproxy.Proxy
}

// StartProxy starts a proxy before upstream, a host:port or the URL of an endpoint. It ends with the test.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	if strings.Contains(upstream, "://") {
		u, err := url.Parse(upstream)
		if err != nil {
			t.Fatal(err)
		}
		upstream = u.Host
	}
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()) // listens to nobody: only its proxies do
	p := &Proxy{Addr: local(ports[0]), proxy: toxiproxy.NewProxy(server, t.Name(), local(ports[0]), upstream)}
	p.Up(t)
	t.Cleanup(func() {
		p.heal()
		p.proxy.Stop()
	})
	return p
}

// URL is the proxy as an endpoint by HTTP.
func (p *Proxy) URL() string { return "http://" + p.Addr }

// Down cuts all connections and refuses new ones.
func (p *Proxy) Down(t testing.TB) {
	t.Helper()
	p.proxy.Stop()
}

// Up takes connections again. A trouble that was there before Down is there again.
func (p *Proxy) Up(t testing.TB) {
	t.Helper()
	if err := p.proxy.Start(); err != nil {
		t.Fatalf("start a proxy at %s: %v", p.Addr, err)
	}
}

// Heal ends the trouble that Slow and its like have made.
func (p *Proxy) Heal(t testing.TB) {
	t.Helper()
	p.heal()
}

// Slow delays all that clients say, and so each answer.
func (p *Proxy) Slow(t testing.TB, delay time.Duration) {
	t.Helper()
	// Not the answers: toxiproxy needs 5 s for each chunk of an answer that nobody waits for any more, before it heals.
	p.trouble(t, "latency", "upstream", map[string]any{"latency": delay.Milliseconds()})
}

// Hang takes connections, and what clients say is lost: they wait for ever. Healing cuts the connections that hung.
func (p *Proxy) Hang(t testing.TB) {
	t.Helper()
	p.trouble(t, "timeout", "upstream", map[string]any{"timeout": 0})
}

// Reset answers a request with the reset of its connection. Where an answer comes in more than one piece, toxiproxy leaves goroutines behind
// that a test which looks for leaks would find; so does CutAfter.
func (p *Proxy) Reset(t testing.TB) {
	t.Helper()
	p.trouble(t, "reset_peer", "downstream", map[string]any{"timeout": 0})
}

// CutAfter closes a connection after so many bytes of the service's answers.
func (p *Proxy) CutAfter(t testing.TB, bytes int) {
	t.Helper()
	p.trouble(t, "limit_data", "downstream", map[string]any{"bytes": bytes})
}

func (p *Proxy) heal() { p.proxy.Toxics.ResetToxics(context.Background()) }

// trouble makes one kind of trouble for what goes upstream, to the service, or downstream.
func (p *Proxy) trouble(t testing.TB, kind, stream string, attributes map[string]any) {
	t.Helper()
	p.heal()
	text, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
		t.Fatalf("make the proxy's network bad: %v", err)
	}
}
