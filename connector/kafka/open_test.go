package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

func TestValidate(t *testing.T) {
	good := DefaultConfig()
	good.Brokers, good.Topics, good.Group = []string{"a:1, b:2"}, []string{"x,y"}, "g"
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Config)
		text   string
	}{
		{func(c *Config) { c.Brokers = []string{" ,"} }, "brokers: at least one"},
		{func(c *Config) { c.Topics = nil }, "topics: name the topics"},
		{func(c *Config) { c.TopicsRegex = "x" }, "exclude each other"},
		{func(c *Config) { c.TopicsRegex = "(" }, "topics_regex: error parsing regexp"},
		{func(c *Config) { c.Group = "" }, "group:"},
		{func(c *Config) { c.Start = "yesterday" }, `start: "yesterday" is neither earliest nor latest nor a time such as 2026-01-31T08:00:00Z`},
		{func(c *Config) { c.Isolation = "none" }, `isolation: "none"`},
		{func(c *Config) { c.Balancer = "fair" }, `balancer: "fair" is none of`},
		{func(c *Config) { c.Fetch.MaxBytes = 1 << 40 }, "fetch.max_bytes: 1TiB is not between 1KiB and 1GiB"},
		{func(c *Config) { c.Fetch.MaxPartitionBytes = 32 << 20 }, "fetch.max_partition_bytes: 32MiB is not between 1KiB and 8MiB"},
		{func(c *Config) { c.Fetch.MaxWait = 0 }, "fetch.max_wait"},
		{func(c *Config) { c.MaxDecompressedBatch = 0 }, "max_decompressed_batch"},
		{func(c *Config) { c.SessionTimeout = 0 }, "session_timeout: 0s is not between 1s and 1h"},
		{func(c *Config) { c.TLS.CAFile = "x" }, "tls.enabled"},
	} {
		bad := good
		c.change(&bad)
		has(t, bad.Validate(), c.text)
	}
}

func TestOpenErrors(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "cars.gps.json", "cars.trips.json", "orders"))
	for _, c := range []struct {
		name   string
		change func(*Config)
		class  connector.Class
		texts  []string
	}{
		{"wrong broker", func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} }, connector.Retryable,
			[]string{"brokers 127.0.0.1:1", "none of them answers", "connection refused"}},
		{"missing topic", func(c *Config) { c.Topics = []string{"cars.gps.jsn", "orders"} }, connector.Systemic,
			[]string{`topics: topic "cars.gps.jsn" doesn't exist`, "there is cars.gps.json"}},
		{"missing file", func(c *Config) { c.TLS = TLS{Enabled: true, CAFile: "/nowhere/ca.pem"} }, connector.Retryable,
			[]string{"tls.ca_file", "/nowhere/ca.pem"}},
		{"invalid", func(c *Config) { c.Start = "x" }, connector.Retryable, []string{"start:"}},
		{"TLS to a plain port", func(c *Config) { c.TLS.Enabled = true }, connector.Retryable, []string{"brokers 127.0.0.1:", "tls.enabled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := f.config("orders")
			config.DialTimeout = connector.Duration(time.Second)
			c.change(&config)
			_, err := config.Open(t.Context())
			has(t, err, c.texts...)
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %s, want %s", connector.ClassOf(err), c.class)
			}
		})
	}
}

func TestOpenRefusesAGroup(t *testing.T) {
	for code, text := range map[*kerr.Error]string{
		kerr.GroupAuthorizationFailed: `group "g" is refused`,
		kerr.InvalidGroupID:           "change the setting group",
	} {
		f := newFake(t, kfake.SeedTopics(1, "t"))
		f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: code})
		_, err := f.config("t").Open(t.Context())
		has(t, err, "group g", text)
	}
}

// An address that takes connections and never answers.
func TestOpenGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := DefaultConfig()
	c.Brokers, c.Topics, c.Group = []string{l.Addr().String()}, []string{"t"}, "g"
	c.DialTimeout = connector.Duration(100 * time.Millisecond)
	_, err = c.Open(t.Context())
	has(t, err, "brokers "+l.Addr().String(), "no answer in time")
}

// What a group refuses after Open comes out of Poll.
func TestPollSaysWhyTheGroupIsntJoined(t *testing.T) {
	for _, c := range []struct {
		code  *kerr.Error
		class connector.Class
		text  string
	}{
		{kerr.GroupAuthorizationFailed, connector.Systemic, `group "g" is refused`},
		{kerr.InconsistentGroupProtocol, connector.Fatal, "set the same balancer in all of them"},
		{kerr.GroupMaxSizeReached, connector.Systemic, "group.max.size"},
	} {
		t.Run(c.code.Message, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(1, "t"))
			f.produce(t, "t", 0, "a")
			fault := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: c.code, Count: -1})
			r := read(t, f.config("t"))
			r.until("an error", func() bool { return len(r.errs) > 0 })
			has(t, r.now().errs[0], "join group g", c.text)
			if connector.ClassOf(r.now().errs[0]) != c.class {
				t.Errorf("class %s, want %s", connector.ClassOf(r.now().errs[0]), c.class)
			}
			fault.Remove()
			r.reads(t0, "a")
		})
	}
}

// Brokers that are gone are said to be, by Poll.
func TestPollSaysThatBrokersAreGone(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, "a")
	r := read(t, f.config("t"))
	r.reads(t0, "a")
	f.Close()
	r.until("an error", func() bool { return len(r.errs) > 0 })
	has(t, r.now().errs[0], "connect to broker 127.0.0.1:")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r.once.Do(func() {
		r.stop()
		<-r.done
		if err := r.Close(ctx); err == nil {
			t.Error("left a group without brokers")
		}
	})
}

func TestCloseWithoutNotify(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	c := open(t, f.config("t"))
	if _, err := c.Poll(t.Context()); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("poll: %v", err)
	}
	if err := c.Commit(t.Context(), at(1, "")); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("commit: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		brokers int
		max     connector.Bytes
		window  int64
	}{{1, 16 << 20, 16 << 20}, {3, 15 << 20, 15 << 20}, {30, 16 << 20, 30 << 20}, {3, 1 << 10, 3 << 10}} {
		config := DefaultConfig()
		config.Fetch.MaxBytes = c.max
		consumer := &Consumer{config: config, found: &cluster{brokers: c.brokers}}
		if w := consumer.Window(); w != c.window {
			t.Errorf("%d brokers, %s: %d, want %d", c.brokers, c.max, w, c.window)
		}
	}
}

func TestSimilar(t *testing.T) {
	names := []string{"cars.gps.json", "cars.gps.dlq", "orders", "salesdb.SALES_ORDER", "x"}
	for name, want := range map[string]string{
		"cars.gps.jsn": "cars.gps.json,cars.gps.dlq",
		"Orders":       "orders",
		"order":        "orders,salesdb.SALES_ORDER"[:6],
		"SALES_ORDER":  "salesdb.SALES_ORDER",
		"zzz":          "",
	} {
		if got := strings.Join(similar(name, names), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// certificate writes a certificate that signs itself, and returns the broker's settings.
func certificate(t *testing.T, host string) (caFile string, server *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return caFile, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestTLS(t *testing.T) {
	ca, server := certificate(t, "broker.test")
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.TLS(server))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	config := func(s TLS) Config {
		c := DefaultConfig()
		c.Brokers, c.Topics, c.Group, c.TLS = f.ListenAddrs(), []string{"t"}, "g", s
		return c
	}
	if _, err := config(TLS{Enabled: true, CAFile: ca, ServerName: "broker.test"}).Open(t.Context()); err != nil {
		t.Errorf("with the right settings: %v", err)
	}
	for text, s := range map[string]TLS{
		"set tls.ca_file":     {Enabled: true, ServerName: "broker.test"},
		"set tls.server_name": {Enabled: true, CAFile: ca, ServerName: "other.test"},
		"tls.enabled":         {},
	} {
		_, err := config(s).Open(t.Context())
		has(t, err, "brokers 127.0.0.1:", text)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config(TLS{Enabled: true, CAFile: empty}).Open(t.Context())
	has(t, err, "tls.ca_file", "no certificate")
}

// An embedder's options come last, and reach every client.
func TestOptions(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	c := f.config("t")
	c.Brokers = []string{"nowhere.invalid:9092"}
	c.Options = append(c.Options, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.ListenAddrs()[0])
	}))
	f.produce(t, "t", 0, "a")
	read(t, c).reads(t0, "a")
}
