package confluent_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/registry"
)

func connect(t *testing.T, c confluent.Connection) *confluent.Client {
	t.Helper()
	client, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// expectError checks that err has a class, holds a text and no secret.
func expectError(t *testing.T, err error, class connector.Class, want string) {
	t.Helper()
	if err == nil || connector.ClassOf(err) != class || !strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") {
		t.Errorf("error is %v (%s), want %q (%s)", err, connector.ClassOf(err), want, class)
	}
}

// place is a secret's source that has a newer text once the first was refused.
type place struct{ texts []string }

func (p *place) String() string { return "secret sr" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	switch {
	case len(p.texts) == 0:
		return "", errors.New("access denied")
	case refused == p.texts[0] && len(p.texts) > 1:
		p.texts = p.texts[1:]
	}
	return p.texts[0], nil
}

func TestCredentials(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("reader:canary2"))
	for name, tt := range map[string]struct {
		wanted     string
		connection confluent.Connection
		want       string // of the error of the first call; "": none
		again      string // of the second
	}{
		"basic":         {basic, confluent.Connection{User: "reader", Password: secret.New("canary2")}, "", ""},
		"bearer":        {"Bearer canary2", confluent.Connection{Token: secret.New("canary2")}, "", ""},
		"none":          {basic, confluent.Connection{}, "401", "set user and password, or token"},
		"wrong":         {basic, confluent.Connection{User: "reader", Password: secret.New("canary")}, "403", "user and password need the right"},
		"wrong token":   {basic, confluent.Connection{Token: secret.New("canary")}, "403", "token needs the right"},
		"renewed":       {basic, confluent.Connection{User: "reader", Password: secret.From(&place{texts: []string{"canary1", "canary2"}})}, "403", ""},
		"renewed token": {"Bearer canary2", confluent.Connection{Token: secret.From(&place{texts: []string{"canary1", "canary2"}})}, "403", ""},
		"can't be read": {basic, confluent.Connection{User: "reader", Password: secret.From(&place{})}, "password: read secret sr: access denied", "password: "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, srfake.WithAuth(tt.wanted))
			tt.connection.URL = []string{f.url}
			client := connect(t, tt.connection)
			for _, want := range []string{tt.want, tt.again} {
				_, err := client.Named(t.Context(), "users-value", 1)
				if want == "" && err != nil {
					t.Error(err)
				} else if want != "" {
					expectError(t, err, connector.Systemic, want)
				}
			}
		})
	}
}

// A redirect isn't followed: who is behind it would get the password.
func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request came here, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		defer server.Close()
		client := connect(t, confluent.Connection{URL: []string{server.URL}, User: "u", Password: secret.New("canary")})
		_, err := client.ByID(t.Context(), 1)
		expectError(t, err, connector.Systemic, "redirects aren't followed: set url")
	}
}

// The nodes of a cluster are asked in turn, the one that answered last first.
func TestSeveralURLs(t *testing.T) {
	f := newFake(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	failing, failed := 0, httptest.NewServer(nil)
	failed.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		failing++
		w.WriteHeader(http.StatusBadGateway)
	})
	defer failed.Close()
	client := connect(t, confluent.Connection{URL: []string{gone.URL, failed.URL, f.url}})
	for range 3 {
		if _, err := client.Named(t.Context(), "users-value", 0); err != nil {
			t.Fatal(err)
		}
	}
	if failing != 1 {
		t.Errorf("%d requests to the one that fails, want 1", failing)
	}
	_, err := client.Named(t.Context(), "no-value", 0)
	if !errors.Is(err, registry.ErrNotFound) || failing != 1 {
		t.Errorf("%v, %d requests to the one that fails", err, failing)
	}
	client = connect(t, confluent.Connection{URL: []string{failed.URL, gone.URL}})
	_, err = client.Named(t.Context(), "users-value", 0)
	expectError(t, err, connector.Retryable, gone.URL)
}

// certified is a registry with TLS, and files with its certificate and key.
func certified(t *testing.T, change func(*tls.Config)) (url, certFile, keyFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(newFake(t).Handler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return server.URL, write("cert.pem", "CERTIFICATE", server.Certificate().Raw), write("key.pem", "PRIVATE KEY", key)
}

func TestTLS(t *testing.T) {
	url, ca, _ := certified(t, nil)
	old, oldCA, _ := certified(t, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 })
	mutual, mutualCA, key := certified(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url   string
		tls   confluent.TLS
		class connector.Class
		want  string
	}{
		"authority":          {url, confluent.TLS{CAFile: ca}, 0, ""},
		"name":               {url, confluent.TLS{CAFile: ca, ServerName: "example.com"}, 0, ""},
		"unknown authority":  {url, confluent.TLS{}, connector.Systemic, "look at tls.ca_file"},
		"another name":       {url, confluent.TLS{CAFile: ca, ServerName: "registry.test"}, connector.Systemic, "tls.server_name"},
		"TLS 1.1":            {old, confluent.TLS{CAFile: oldCA}, connector.Systemic, "protocol version"},
		"client certificate": {mutual, confluent.TLS{CAFile: mutualCA, CertFile: mutualCA, KeyFile: key}, 0, ""},
		"no certificate":     {mutual, confluent.TLS{CAFile: mutualCA}, connector.Systemic, "tls.cert_file"},
		"no key":             {mutual, confluent.TLS{CAFile: mutualCA, CertFile: mutualCA}, connector.Systemic, "tls.cert_file: private key"},
		"file isn't there":   {mutual, confluent.TLS{CAFile: mutualCA, CertFile: broken + "x"}, connector.Systemic, "tls.cert_file: open "},
		"key isn't there":    {mutual, confluent.TLS{CAFile: mutualCA, CertFile: mutualCA, KeyFile: broken + "x"}, connector.Systemic, "tls.key_file: open "},
		"password isn't there": {mutual, confluent.TLS{CAFile: mutualCA, CertFile: mutualCA, KeyFile: key, KeyPassword: secret.From(&place{})},
			connector.Systemic, "tls.key_password: read secret sr"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, confluent.Connection{URL: []string{tt.url}, TLS: tt.tls}).ByID(t.Context(), 1)
			if tt.want == "" && err != nil {
				t.Error(err)
			} else if tt.want != "" {
				expectError(t, err, tt.class, tt.want)
			}
		})
	}
	for want, file := range map[string]string{"holds no certificate": broken, "no such file": broken + "x"} {
		_, err := confluent.Connection{URL: []string{url}, TLS: confluent.TLS{CAFile: file}}.Connect()
		expectError(t, err, connector.Systemic, want)
	}
}

func TestLongResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		length int
		want   string
	}{
		"longest schema":  {1<<20 - len(`"string"`), ""},
		"too long":        {1 << 20, "at most 1048576 are possible"},
		"not even looked": {64 << 20, "the response has more than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"schema":"\"string\"`)) // an error means that the client went away
				for left := tt.length; left > 0; {
					n, err := w.Write([]byte(strings.Repeat(" ", min(left, 1<<20))))
					if err != nil {
						return
					}
					left -= n
				}
				_, _ = w.Write([]byte(`"}`))
			}))
			defer server.Close()
			s, err := connect(t, confluent.Connection{URL: []string{server.URL}}).ByID(t.Context(), 1)
			switch {
			case tt.want == "" && (err != nil || len(s.Text) != 1<<20):
				t.Errorf("%v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v, want %q", err, tt.want)
			case tt.length == 1<<20 && !errors.Is(err, registry.ErrUnusable):
				t.Errorf("%v isn't for ever", err)
			}
		})
	}
}

const missing = 999

// referring answers, but for the subject missing, for version 1 of every subject n with a schema of size bytes that refers to what refs says.
func referring(t *testing.T, size int, refs func(n int) []int) (client *confluent.Client, requests *[]string) {
	t.Helper()
	requests = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.URL.String())
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(r.URL.Path, "/subjects/"), "%d/versions/1", &n); err != nil || n == missing {
			http.NotFound(w, r)
			return
		}
		s := sr.SubjectSchema{Subject: fmt.Sprint(n), Version: 1, ID: n + 1, Schema: sr.Schema{Schema: strings.Repeat(" ", size) + fmt.Sprint(n)}}
		for _, m := range refs(n) {
			s.References = append(s.References, sr.SchemaReference{Name: fmt.Sprint("name ", m), Subject: fmt.Sprint(m), Version: 1})
		}
		_ = json.NewEncoder(w).Encode(s) // an error means that the client went away
	}))
	t.Cleanup(server.Close)
	return connect(t, confluent.Connection{URL: []string{server.URL}}), requests
}

func TestReferences(t *testing.T) {
	// 0 needs 1 and 2, which both need 3; and 3 needs 1: a diamond and a circle.
	client, requests := referring(t, 1, func(n int) []int { return [][]int{{1, 2}, {3}, {3}, {1}}[n] })
	s, err := client.Named(t.Context(), "0", 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []serde.Reference{{Name: "name 3", Text: " 3"}, {Name: "name 1", Text: " 1"}, {Name: "name 2", Text: " 2"}}
	if !reflect.DeepEqual(s.References, want) {
		t.Errorf("references %v, want %v: each behind those that it needs", s.References, want)
	}
	asked := []string{"/subjects/0/versions/1", "/subjects/1/versions/1?deleted=true", "/subjects/3/versions/1?deleted=true", "/subjects/2/versions/1?deleted=true"}
	if !reflect.DeepEqual(*requests, asked) {
		t.Errorf("requests %v, want %v", *requests, asked)
	}
}

func TestReferencesAreLimited(t *testing.T) {
	for name, tt := range map[string]struct {
		size int
		refs func(int) []int
		want string
	}{
		"deep": {1, func(n int) []int { return []int{n + 1} }, "nested more than 32 deep"},
		"many": {1, func(n int) []int {
			if n > 0 {
				return nil
			}
			all := make([]int, 900)
			for i := range all {
				all[i] = i
			}
			return all
		}, "more than 200 references"},
		"large": {1<<20 - 10, func(n int) []int { return []int{n + 1} }, "more than 4194304 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			client, requests := referring(t, tt.size, tt.refs)
			_, err := client.Named(t.Context(), "0", 1)
			if err == nil || !errors.Is(err, registry.ErrUnusable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if len(*requests) > 202 {
				t.Errorf("%d requests", len(*requests))
			}
		})
	}
	client, _ := referring(t, 1, func(int) []int { return []int{missing} })
	_, err := client.Named(t.Context(), "0", 1)
	expectError(t, err, connector.Systemic, "its reference name 999 (version 1 of 999): ")
}

func TestReading(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("users-value", 2, 11, sr.Schema{Schema: `"int"`})
	client := connect(t, f.config().Connection)
	subjects, err := client.Subjects(t.Context())
	if want := "blobs-value cars-value events-value geo position trips-value users-value"; err != nil || strings.Join(subjects, " ") != want {
		t.Errorf("subjects %v, %v, want %s", subjects, err, want)
	}
	var got []string
	if err := client.Versions(t.Context(), "users-value", func(s *serde.Schema) error {
		got = append(got, fmt.Sprint(s.Name, " ", s.Version, " ", s.ID))
		return nil
	}); err != nil || strings.Join(got, ", ") != "users-value 1 1, users-value 2 11" {
		t.Errorf("versions %q, %v", got, err)
	}
	if s, err := client.Named(t.Context(), "users-value", 0); err != nil || s.Version != 2 {
		t.Errorf("newest: %+v, %v", s, err)
	}
	for what, err := range map[string]error{
		"subject": client.Versions(t.Context(), "no", nil),
		"id":      func() error { _, err := client.ByID(t.Context(), 77); return err }(),
		"version": func() error { _, err := client.Named(t.Context(), "users-value", 9); return err }(),
	} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
