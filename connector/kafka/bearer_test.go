package kafka

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// bearerOf is the method of settings.
func bearerOf(t *testing.T, o OAuthBearer) *bearer {
	t.Helper()
	m, err := o.method(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	return m.(*bearer)
}

func (b *bearer) message(t *testing.T) (string, error) {
	t.Helper()
	_, message, err := b.mechanism().Authenticate(context.Background(), "b:1")
	return string(message), err
}

func TestATokenIsSent(t *testing.T) {
	jwt := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub": "cars"}`)) + ".sig"
	at := &place{texts: []string{jwt + "\n", "newer"}}
	b := bearerOf(t, OAuthBearer{Token: secret.From(at), Extensions: map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool"}})
	if got := b.principal(); got != "" {
		t.Errorf("principal %q", got)
	}
	// RFC 7628, section 3.1.
	message, err := b.message(t)
	if want := "n,,\x01auth=Bearer " + jwt + "\x01identityPoolId=pool\x01logicalCluster=lkc-1\x01\x01"; err != nil || message != want {
		t.Errorf("%q %v, want %q", message, err, want)
	}
	if got := b.principal(); got != "User:cars" {
		t.Errorf("principal %q", got)
	}
	b.refused()
	if message, err = b.message(t); err != nil || !strings.Contains(message, "Bearer newer\x01") {
		t.Errorf("%q %v", message, err)
	}
	for _, bad := range []string{" ", "a b", "a\x01auth=Bearer b"} {
		_, err := bearerOf(t, OAuthBearer{Token: secret.New(bad)}).message(t)
		has(t, err, "auth.oauthbearer: the token")
	}
}

func TestATokenIsAskedFor(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		id, password, _ := r.BasicAuth()
		// RFC 6749, section 2.3.1: both are encoded as in a form.
		if want := url.QueryEscape("cars & bikes"); id != want || password != url.QueryEscape(canary+":%") {
			t.Errorf("client %q %q", id, password)
		}
		if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka read" {
			t.Errorf("%s %v", r.Method, r.Form)
		}
		_, _ = io.WriteString(w, `{"access_token": "given-`+strings.Repeat("x", asked)+`", "token_type": "bearer", "expires_in": 3600}`)
	}))
	defer s.Close()
	b := bearerOf(t, OAuthBearer{TokenURL: s.URL, ClientID: "cars & bikes", ClientSecret: secret.New(canary + ":%"), Scope: "kafka read"})
	for range 2 { // the second time it is the same
		if message, err := b.message(t); err != nil || !strings.Contains(message, "Bearer given-x\x01") {
			t.Errorf("%q %v", message, err)
		}
	}
	b.refused()
	if message, err := b.message(t); err != nil || !strings.Contains(message, "Bearer given-xx\x01") {
		t.Errorf("%q %v", message, err)
	}
}

func TestTokenURLErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		class  connector.Class
		text   string
	}{
		"wrong secret":             {401, `{"error": "invalid_client", "error_description": "` + canary + `"}`, connector.Systemic, "it refuses the client: check client_id and client_secret"},
		"wrong client":             {400, `{"error": "invalid_client"}`, connector.Systemic, "it refuses the client: check client_id and client_secret"},
		"wrong scope":              {400, `{"error": "invalid_scope"}`, connector.Systemic, "it refuses (invalid_scope): check client_id and scope"},
		"its own words":            {400, `{"error": "` + canary + `"}`, connector.Systemic, "it refuses (400 Bad Request): check client_id and scope"},
		"down":                     {503, canary, connector.Retryable, "it answers 503 Service Unavailable"},
		"a redirect":               {302, "", connector.Retryable, "it answers 302 Found"},
		"no token":                 {200, `{}`, connector.Systemic, "its answer holds no access_token: check token_url"},
		"no JSON":                  {200, "<html>" + canary, connector.Systemic, "its answer holds no access_token: check token_url"},
		"not a token's characters": {200, `{"access_token": "a b"}`, connector.Systemic, "the token holds characters that no token has"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			b := bearerOf(t, OAuthBearer{TokenURL: s.URL, ClientID: "cars", ClientSecret: secret.New(canary)})
			_, err := b.message(t)
			has(t, err, "auth.oauthbearer: ", c.text)
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %s", connector.ClassOf(err))
			}
			silent(t, err)
		})
	}
	b := bearerOf(t, OAuthBearer{TokenURL: "http://127.0.0.1:1/token", ClientID: "cars", ClientSecret: secret.New(canary)})
	_, err := b.message(t)
	has(t, err, "auth.oauthbearer: token_url: ask http://127.0.0.1:1/token for a token: dial tcp 127.0.0.1:1: connect: connection refused")
}
