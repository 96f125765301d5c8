package redisgeo

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

// byIAM is the configuration of an ElastiCache user with an access key.
func byIAM(c *Config) {
	c.Username, c.TLS.Enabled = "millrace-1", true
	c.IAM = IAM{Cache: "my-cache", Config: identity.Config{Region: "eu-west-1", AccessKey: secret.New("AKIDEXAMPLE"), SecretKey: secret.New("SECRETEXAMPLE")}}
}

// noEnvironment takes away what the machine says of credentials.
func noEnvironment(t testing.TB) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
}

// The signatures were made by botocore's RequestSigner.generate_presigned_url, for the first second of the year 2000.
func TestToken(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*Config)
		session string
		want    url.Values // beside what all have
	}{
		"replication group": {func(*Config) {}, "", url.Values{
			"X-Amz-Credential": {"AKIDEXAMPLE/20000101/eu-west-1/elasticache/aws4_request"},
			"X-Amz-Signature":  {"f017ca44b1d2cda26415766eabd30a66143a1bd9ed5cd8d22b17aa6c1873f08b"},
		}},
		"serverless, of a role's session": {func(c *Config) { c.IAM.Serverless, c.IAM.Cache = true, "My-Cache" }, "to/ken+==", url.Values{
			"ResourceType":         {"ServerlessCache"},
			"X-Amz-Credential":     {"ASIDEXAMPLE/20000101/eu-west-1/elasticache/aws4_request"},
			"X-Amz-Security-Token": {"to/ken+=="},
			"X-Amz-Signature":      {"062a148c04779d862b9a2721824a0bd80c0b3edd18302205d81d2ed43af32159"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			noEnvironment(t)
			c := config("redis:6379", byIAM, tc.change)
			if tc.session != "" {
				c.IAM.AccessKey, c.IAM.SecretKey = secret.Text{}, secret.Text{}
				t.Setenv("AWS_ACCESS_KEY_ID", "ASIDEXAMPLE")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRETEXAMPLE")
				t.Setenv("AWS_SESSION_TOKEN", tc.session)
			}
			synctest.Test(t, func(t *testing.T) {
				l, err := c.login(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				user, token, err := l.credentials(t.Context())
				if err != nil || user != "millrace-1" {
					t.Fatalf("user %q, %v", user, err)
				}
				query, ok := strings.CutPrefix(token, "my-cache/?")
				if !ok {
					t.Fatalf("the token is %s", token)
				}
				got, err := url.ParseQuery(query)
				if err != nil {
					t.Fatal(err)
				}
				for k, v := range map[string]string{"Action": "connect", "User": "millrace-1", "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
					"X-Amz-Date": "20000101T000000Z", "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host"} {
					tc.want.Set(k, v)
				}
				if !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got  %v\nwant %v", got, tc.want)
				}
				time.Sleep(time.Second) // of the bubble
				if _, next, err := l.credentials(t.Context()); err != nil || next == token {
					t.Errorf("a second later the token is the same: %v, %v", next == token, err)
				}
			})
		})
	}
}

// TestIAMOptions: both kinds of clients are given tokens, and connections end in time.
func TestIAMOptions(t *testing.T) {
	noEnvironment(t)
	for after, most := range map[time.Duration]time.Duration{0: 11 * time.Hour, time.Minute: time.Minute} {
		c := config("redis:6379", byIAM, func(c *Config) { c.IAM.ReauthAfter = connector.Duration(after) })
		l, err := c.login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		o, err := c.options(l, timeouts{})
		if err != nil {
			t.Fatal(err)
		}
		single, cluster := o.Simple(), o.Cluster()
		for name, of := range map[string]redis.Options{
			"single": *single,
			"cluster": {
				CredentialsProviderContext: cluster.CredentialsProviderContext, TLSConfig: cluster.TLSConfig,
				ConnMaxLifetime: cluster.ConnMaxLifetime, ConnMaxLifetimeJitter: cluster.ConnMaxLifetimeJitter,
			},
		} {
			if _, token, err := of.CredentialsProviderContext(t.Context()); err != nil || !strings.HasPrefix(token, "my-cache/?") {
				t.Errorf("%s: no token: %v", name, err)
			}
			if of.ConnMaxLifetimeJitter <= 0 || of.ConnMaxLifetime+of.ConnMaxLifetimeJitter != most {
				t.Errorf("%s: connections live for %s, give or take %s; want %s at most", name, of.ConnMaxLifetime, of.ConnMaxLifetimeJitter, most)
			}
			if of.TLSConfig == nil || of.TLSConfig.InsecureSkipVerify || of.TLSConfig.MinVersion < tls.VersionTLS12 {
				t.Errorf("%s: TLS is %+v", name, of.TLSConfig)
			}
		}
	}
	o, err := config("redis:6379").options(&login{}, timeouts{})
	if err != nil || o.ConnMaxLifetime != 0 {
		t.Errorf("without IAM connections live for %s, %v", o.ConnMaxLifetime, err)
	}
}

// newTLSDouble is a double whose user is millrace-1; takes says of each password whether it is taken. The file holds
// the authority of its certificate.
func newTLSDouble(t testing.TB, takes func(password string) bool, writes ...string) (d *double, caFile string) {
	t.Helper()
	source := httptest.NewTLSServer(http.NotFoundHandler()) // it has a certificate for 127.0.0.1
	source.Close()
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: source.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	d = &double{Miniredis: miniredis.NewMiniRedis(), writes: writes}
	if err := d.StartTLS(&tls.Config{Certificates: source.TLS.Certificates}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.RequireUserAuth("millrace-1", "nobody sends this")
	d.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		switch cmd {
		case "AUTH", "HELLO":
			if user, password, ok := sentLogin(args); ok && user == "millrace-1" && takes(password) {
				args[len(args)-1] = "nobody sends this"
			}
		}
		return d.hook(c, cmd, args...)
	})
	return d, caFile
}

// sentLogin is what AUTH and HELLO end with.
func sentLogin(args []string) (user, password string, ok bool) {
	if len(args) < 2 {
		return "", "", false
	}
	return args[len(args)-2], args[len(args)-1], true
}

func isToken(password string) bool {
	return strings.HasPrefix(password, "my-cache/?") && strings.Contains(password, "X-Amz-Signature=")
}

func TestIAMWrites(t *testing.T) {
	noEnvironment(t)
	for _, mode := range []string{modeAuto, modeCluster} {
		t.Run(mode, func(t *testing.T) {
			d, caFile := newTLSDouble(t, isToken, "GEOADD")
			s := open(t, config(d.Addr(), byIAM, func(c *Config) { c.TLS.CAFile, c.Mode = caFile, mode }))
			load(t, s, origin{}, rec{member: "a", longitude: 1})
			if sent := d.sent(); len(sent) != 1 {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

// TestIAMIsRefused: whatever the reason is, the message says where to look, and shows nothing of the token.
func TestIAMIsRefused(t *testing.T) {
	noEnvironment(t)
	sts := func(status int, code string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>said STS</Message></Error></ErrorResponse>`, code)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	role := func(endpoint string) func(*Config) {
		return func(c *Config) {
			c.IAM.AssumeRole = identity.AssumeRole{ARN: "arn:aws:iam::123456789012:role/geo", Endpoint: endpoint}
		}
	}
	denied, busy, broken := sts(http.StatusForbidden, "AccessDenied"), sts(http.StatusBadRequest, "Throttling"), sts(http.StatusServiceUnavailable, "ServiceUnavailable")
	for name, tc := range map[string]struct {
		change func(*Config)
		class  connector.Class
		want   []string
	}{
		"by ElastiCache": {func(*Config) {}, connector.Systemic, []string{
			"WRONGPASS", "elasticache:Connect", "replication group my-cache", "user millrace-1", "IAM authentication enabled", "equal to its id", "clock", "iam.region (eu-west-1)"}},
		"by a serverless cache": {func(c *Config) { c.IAM.Serverless = true }, connector.Systemic, []string{"serverless cache my-cache", "iam.serverless"}},
		"no region":             {func(c *Config) { c.IAM.Region = "" }, connector.Systemic, []string{"set iam.region, or AWS_REGION"}},
		"no credentials": {func(c *Config) { c.IAM.AccessKey, c.IAM.SecretKey = secret.Text{}, secret.Text{} }, connector.Systemic, []string{
			"no credentials for an IAM token for the cache my-cache", "iam.access_key"}},
		"no profile":       {func(c *Config) { c.IAM.Config = identity.Config{Region: "eu-west-1", Profile: "nobody"} }, connector.Systemic, []string{"nobody"}},
		"by STS":           {role(denied), connector.Systemic, []string{"said STS", "iam.assume_role", "role/geo", "sts:AssumeRole"}},
		"STS is busy":      {role(busy), connector.Retryable, []string{"said STS"}},
		"STS is broken":    {role(broken), connector.Retryable, []string{"said STS"}},
		"another server's": {func(c *Config) { c.TLS.CAFile = "" }, connector.Systemic, []string{"tls.ca_file"}},
	} {
		for _, mode := range []string{modeAuto, modeCluster} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				d, caFile := newTLSDouble(t, func(string) bool { return false })
				c := config(d.Addr(), byIAM, func(c *Config) { c.TLS.CAFile, c.Mode = caFile, mode }, tc.change)
				s, err := c.open(t.Context(), timeouts{})
				if err == nil {
					s.Close()
					t.Fatal("Open succeeded")
				}
				for _, want := range tc.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q doesn't say %q", err, want)
					}
				}
				if got := connector.ClassOf(err); got != tc.class {
					t.Errorf("class of %q is %v, want %v", err, got, tc.class)
				}
				for _, hidden := range []string{"X-Amz", "Signature", "SECRETEXAMPLE", "look at addrs"} {
					if strings.Contains(err.Error(), hidden) {
						t.Errorf("%q shows %s", err, hidden)
					}
				}
			})
		}
	}
}

// TestIAMIsRefusedLater: credentials that are taken away are the error of the records that need a new connection.
func TestIAMIsRefusedLater(t *testing.T) {
	noEnvironment(t)
	var refuse atomic.Bool
	d, caFile := newTLSDouble(t, func(p string) bool { return !refuse.Load() && isToken(p) }, "GEOADD")
	s := open(t, config(d.Addr(), byIAM, func(c *Config) { c.TLS.CAFile = caFile }))
	load(t, s, origin{}, rec{member: "a", longitude: 1})
	refuse.Store(true)
	d.mu.Lock()
	d.drop = true
	d.mu.Unlock()
	err := s.Load(t.Context(), batch(t, origin{}, rec{member: "a", offset: 1, longitude: 1})) // its connection breaks
	if connector.ClassOf(err) != connector.Retryable {
		t.Errorf("class of %v is %v", err, connector.ClassOf(err))
	}
	err = s.Load(t.Context(), batch(t, origin{}, rec{member: "a", offset: 1, longitude: 1}))
	if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "elasticache:Connect") {
		t.Errorf("got %v of class %v", err, connector.ClassOf(err))
	}
	refuse.Store(false)
	load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1})
}

// TestLoginErrorKeepsItsClass: what the place of a password says isn't taken for an error of Redis.
func TestLoginErrorKeepsItsClass(t *testing.T) {
	for _, class := range []connector.Class{connector.Retryable, connector.Systemic, connector.Fatal} {
		l := &login{password: secret.From(&vault{err: class.Errorf("ask the vault: %w", errors.New("NOAUTH"))})}
		_, _, err := l.credentials(t.Context())
		if got := connector.ClassOf(l.classify(err)); got != class {
			t.Errorf("class of %v is %v, want %v", err, got, class)
		}
	}
}

// keyPlace is where an access key is kept.
type keyPlace struct{ text string }

func (p *keyPlace) String() string                               { return "secret cache" }
func (p *keyPlace) Read(context.Context, string) (string, error) { return p.text, nil }

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// A key that was replaced is read when the token that the old one signed was refused, not before and not at every refusal.
func TestIAMKeyIsReadAgain(t *testing.T) {
	noEnvironment(t)
	id := &keyPlace{"AKIDOLD"}
	var c Config
	byIAM(&c)
	c.IAM.AccessKey, c.IAM.SecretKey = secret.From(id), secret.From(&keyPlace{"SECRETEXAMPLE"})
	l, err := c.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	want := func(key string) {
		t.Helper()
		_, token, err := l.credentials(t.Context())
		if err != nil || !strings.Contains(token, "X-Amz-Credential="+key+"%2F") {
			t.Errorf("the token isn't signed by %s, %v", key, err)
		}
	}
	want("AKIDOLD")
	id.text = "AKIDNEW"
	want("AKIDOLD")
	if err := l.classify(reply("WRONGPASS invalid username-password pair")); connector.ClassOf(err) != connector.Systemic {
		t.Errorf("class of %v", err)
	}
	want("AKIDNEW")
	id.text = "AKIDNEWEST"
	_ = l.classify(reply("WRONGPASS invalid username-password pair"))
	want("AKIDNEW") // it was asked for just now
}
