package kafka

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

// canary is every secret of these tests. It must not show anywhere.
const canary = "canary-hush"

func TestAuthValidate(t *testing.T) {
	words := secret.New(canary)
	good := DefaultConfig()
	good.Brokers, good.Topics, good.Group = []string{"a:1"}, []string{"t"}, "g"
	for _, c := range []struct {
		change func(*Config)
		text   string // "" where it is valid
	}{
		{func(c *Config) { c.Auth.TLS = &NoSettings{} }, ""},
		{func(c *Config) { c.Auth.TLS, c.TLS.CAFile = &NoSettings{}, "x" }, ""},
		{func(c *Config) { c.Auth.MSKIAM = &MSKIAM{} }, ""},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{Username: words, Password: words} }, ""},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{Credentials: secret.New(`{"username": "u", "password": "p"}`)} }, ""},
		{func(c *Config) { c.Auth.TLS, c.Auth.MSKIAM = &NoSettings{}, &MSKIAM{} }, "auth: tls and msk_iam exclude each other"},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{} }, "auth.scram: username and password are needed, or credentials"},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{Username: words, Password: words, Credentials: words} }, "exclude each other"},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{Credentials: words} }, `auth.scram: credentials: the text isn't {"username": "...", "password": "..."}`},
		{func(c *Config) { c.Auth.SCRAM = &SCRAM{Username: words, Password: words, Mechanism: "md5"} }, `auth.scram: mechanism: "md5"`},
		{func(c *Config) { c.Auth.Plain = &Plain{Username: words} }, "auth.plain: username and password"},
		{func(c *Config) {
			c.Auth.Plain, c.TLS.Enabled = &Plain{Username: words, Password: words, InsecurePlaintext: true}, true
		}, "auth.plain.insecure_plaintext and tls.enabled exclude each other"},
		{func(c *Config) {
			c.Auth.Plain, c.TLS.CAFile = &Plain{Username: words, Password: words, InsecurePlaintext: true}, "x"
		}, "tls.enabled"},
		{func(c *Config) { c.Auth.MTLS = &MTLS{} }, "auth.mtls: one of cert_file, pkcs12_file and certificate"},
		{func(c *Config) { c.Auth.MTLS = &MTLS{CertFile: "x", PKCS12File: "y"} }, "exclude each other"},
		{func(c *Config) { c.Auth.MTLS = &MTLS{PKCS12File: "y", KeyFile: "x"} }, "key_file needs cert_file"},
		{func(c *Config) { c.Auth.MTLS = &MTLS{Certificate: words, KeyPassword: words} }, "privateKeyPassword"},
		{func(c *Config) { c.Auth.OAuthBearer = &OAuthBearer{} }, "auth.oauthbearer: token is needed, or token_url"},
		{func(c *Config) { c.Auth.OAuthBearer = &OAuthBearer{Token: words, Scope: "x"} }, "exclude each other"},
		{func(c *Config) {
			c.Auth.OAuthBearer = &OAuthBearer{TokenURL: "http://login.example.com/", ClientID: "x", ClientSecret: words}
		}, "must be https"},
		{func(c *Config) {
			c.Auth.OAuthBearer = &OAuthBearer{TokenURL: "https://x:" + canary + "@login.example.com/", ClientID: "x", ClientSecret: words}
		}, "can't hold credentials"},
		{func(c *Config) {
			c.Auth.OAuthBearer = &OAuthBearer{Token: words, Extensions: map[string]string{"auth": "x"}}
		}, `extensions: "auth"`},
		{func(c *Config) { c.Auth.MSKIAM = &MSKIAM{Config: identity.Config{Region: "Ireland"}} }, `auth.msk_iam: region is "Ireland"`},
		{func(c *Config) { c.Brokers, c.Cluster.ARN = nil, arn }, ""},
		{func(c *Config) { c.Cluster.ARN = arn }, "brokers and cluster exclude each other"},
		{func(c *Config) { c.Brokers, c.Cluster.ARN = nil, "orders" }, `cluster: "orders" isn't the ARN of an Amazon MSK cluster`},
		{func(c *Config) { c.Brokers, c.Cluster = nil, Cluster{ARN: arn, Access: "open"} }, `cluster.access: "open" is none of private, public, vpc`},
		{func(c *Config) { c.Brokers, c.Cluster = nil, Cluster{ARN: arn, Access: Public} }, "public addresses only for auth"},
		{func(c *Config) { c.Brokers, c.Cluster = nil, Cluster{ARN: arn, Endpoint: "x"} }, "cluster.endpoint must be a URL"},
		{func(c *Config) {
			c.Brokers, c.Cluster.ARN, c.Auth.Plain = nil, arn, &Plain{Username: words, Password: words}
		}, "Amazon MSK takes no auth: plain"},
		{func(c *Config) { c.Brokers = []string{`{"a": {"host": "` + canary + `"}}`} }, "brokers: the text is JSON, but not of the form"},
	} {
		config := good
		c.change(&config)
		err := config.Validate()
		if c.text == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		has(t, err, c.text)
		silent(t, err)
	}
}

func silent(t testing.TB, err error) {
	t.Helper()
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
		t.Errorf("a secret shows in: %v", err)
	}
}

// locked is a cluster that wants one user.
func locked(t *testing.T, mechanism string, opts ...kfake.Opt) *fake {
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID("test"), kfake.EnableSASL(), kfake.SeedTopics(1, "t"), kfake.Superuser(mechanism, "alice", canary),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &fake{Cluster: c}
}

func TestPasswords(t *testing.T) {
	user, password := secret.New("alice"), secret.New(canary)
	both := secret.New(`{"username": "alice", "password": "` + canary + `"}`)
	for name, c := range map[string]struct {
		mechanism string
		auth      Auth
		secure    bool
	}{
		"SCRAM-SHA-512":             {"SCRAM-SHA-512", Auth{SCRAM: &SCRAM{Username: user, Password: password}}, true},
		"SCRAM-SHA-256":             {"SCRAM-SHA-256", Auth{SCRAM: &SCRAM{Username: user, Password: password, Mechanism: SHA256}}, true},
		"SCRAM of one text":         {"SCRAM-SHA-512", Auth{SCRAM: &SCRAM{Credentials: both}}, true},
		"SCRAM without TLS":         {"SCRAM-SHA-512", Auth{SCRAM: &SCRAM{Credentials: both, InsecurePlaintext: true}}, false},
		"PLAIN":                     {"PLAIN", Auth{Plain: &Plain{Username: user, Password: password}}, true},
		"PLAIN of one text, no TLS": {"PLAIN", Auth{Plain: &Plain{Credentials: both, InsecurePlaintext: true}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ca, server := certificate(t, "broker.test")
			opts := []kfake.Opt{}
			if c.secure {
				opts = append(opts, kfake.TLS(server))
			}
			config := locked(t, c.mechanism, opts...).config("t")
			config.Auth = c.auth
			if c.secure {
				config.TLS = TLS{CAFile: ca, ServerName: "broker.test"}
			}
			r := read(t, config)
			r.until("assigned", func() bool { return len(r.assigned) == 1 })
			if got := r.Report().Principal; got != "User:alice" {
				t.Errorf("principal %q", got)
			}
			d := DefaultDeadLetterConfig()
			d.Topic = "t"
			dead, err := d.WithSource(config).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer dead.Close()
			if err := dead.Bury(t.Context(), []connector.Failure{failure(1, []byte("dead"), errors.New("x"))}); err != nil {
				t.Fatal(err)
			}
			r.reads(t0, "dead")
		})
	}
}

// place is a secret's, whose text changes once the one before was refused.
type place struct {
	mu      sync.Mutex
	texts   []string
	refused []string
	err     error
}

func (p *place) String() string { return "secret msk/reader" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused != "" {
		p.refused = append(p.refused, refused)
	}
	if refused == p.texts[0] && len(p.texts) > 1 {
		p.texts = p.texts[1:]
	}
	return p.texts[0], p.err
}

// refuse lets the cluster answer, to who authenticates with a text, as brokers do; kfake closes the connection.
func (f *fake) refuse(text string) *kfake.FaultHandle {
	return f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, TopLevel: true, Err: kerr.SaslAuthenticationFailed, Count: -1,
		When: func(r kmsg.Request) bool {
			return bytes.Contains(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte(text))
		}})
}

func TestARotatedPasswordIsReadAgain(t *testing.T) {
	f := locked(t, "PLAIN")
	f.refuse("old-" + canary)
	at := &place{texts: []string{"old-" + canary, canary}}
	config := f.config("t")
	config.Auth.Plain = &Plain{Username: secret.New("alice"), Password: secret.From(at), InsecurePlaintext: true}
	open(t, config)
	if len(at.refused) != 1 || at.refused[0] != "old-"+canary {
		t.Errorf("refused: %q", at.refused)
	}
}

// A consumer with wrong credentials says so at once, with the cause, and without them.
func TestOpenSaysWhatCredentialsAreWrong(t *testing.T) {
	f := locked(t, "PLAIN")
	f.refuse("\x00")
	f.refuse("n,,")
	wrong, bob := secret.New("wrong-"+canary), secret.New("bob")
	broken := errors.New("access denied")
	addr := strings.Join(f.ListenAddrs(), ",")
	for name, c := range map[string]struct {
		auth  Auth
		class connector.Class
		text  string
	}{
		"PLAIN": {Auth{Plain: &Plain{Username: bob, Password: wrong, InsecurePlaintext: true}}, connector.Systemic,
			"brokers " + addr + ": SASL authentication failed: SASL_AUTHENTICATION_FAILED: SASL Authentication failed. (the brokers don't know this user name with this password: " +
				"check auth.plain.username and auth.plain.password)"},
		"SCRAM": {Auth{SCRAM: &SCRAM{Credentials: secret.New(`{"username": "bob", "password": "` + canary + `"}`), InsecurePlaintext: true}}, connector.Systemic,
			"brokers " + addr + ": SASL authentication failed: SASL_AUTHENTICATION_FAILED: SASL Authentication failed. (the brokers don't know this user name with this password: " +
				"check auth.scram.credentials and auth.scram.mechanism; Amazon MSK must have the secret associated with the cluster, and refuses connections beyond its quota with the same error)"},
		"a secret that can't be read": {Auth{Plain: &Plain{Username: bob, Password: secret.From(&place{texts: []string{canary}, err: broken}), InsecurePlaintext: true}}, connector.Retryable,
			"auth: SASL authentication failed: auth.plain.password: read secret msk/reader: access denied"},
		"a secret that is none": {Auth{Plain: &Plain{Credentials: secret.From(&place{texts: []string{canary}}), InsecurePlaintext: true}}, connector.Systemic,
			`auth: SASL authentication failed: auth.plain: credentials: the text isn't {"username": "...", "password": "..."}`},
	} {
		t.Run(name, func(t *testing.T) {
			config := f.config("t")
			config.Auth = c.auth
			_, err := config.Open(t.Context())
			if err == nil || err.Error() != c.text {
				t.Errorf("got  %v\nwant %s", err, c.text)
			}
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %s", connector.ClassOf(err))
			}
			silent(t, err)
			d := DefaultDeadLetterConfig()
			d.Topic = "t"
			_, err = d.WithSource(config).Open(t.Context())
			if err == nil || err.Error() != c.text {
				t.Errorf("dead letter: %v", err)
			}
		})
	}
}

// Credentials that stop counting while records are read come out of Poll, and those that count again end it.
func TestPollSaysThatCredentialsAreRefused(t *testing.T) {
	f := locked(t, "PLAIN", kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "1100"}))
	config := f.config("t")
	config.Auth.Plain = &Plain{Username: secret.New("alice"), Password: secret.New(canary), InsecurePlaintext: true}
	r := read(t, config)
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	fault := f.refuse("alice")
	r.until("an error", func() bool { return len(r.errs) > 0 })
	has(t, r.now().errs[0], "SASL authentication failed: SASL_AUTHENTICATION_FAILED", "check auth.plain.username and auth.plain.password")
	silent(t, r.now().errs[0])
	if connector.ClassOf(r.now().errs[0]) != connector.Systemic {
		t.Errorf("class %s", connector.ClassOf(r.now().errs[0]))
	}
	fault.Remove()
	client, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.SASL(mechanism(t, config)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("a")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.reads(t0, "a")
}

func TestADialerOfOptionsCantTurnTLSOff(t *testing.T) {
	f := locked(t, "PLAIN")
	config := f.config("t")
	config.Auth.Plain = &Plain{Username: secret.New("alice"), Password: secret.New(canary)}
	config.Options = append(config.Options, kgo.Dialer((&tls.Dialer{}).DialContext))
	_, err := config.Open(t.Context())
	has(t, err, "set Dial in place of a Dialer")
	config.Options, config.DialTimeout = nil, connector.Duration(time.Second)
	_, err = config.Open(t.Context()) // TLS to a plain port
	has(t, err, "check brokers and auth")
	silent(t, err)
}

func mechanism(t *testing.T, c Config) sasl.Mechanism {

	t.Helper()
	a, err := c.route().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a.method.mechanism()
}

// write writes a file of the test.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
