package kafka

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// OAuthBearer is the settings of SASL/OAUTHBEARER: a token, or where to get one for a client's id and secret (RFC 6749, section 4.4).
type OAuthBearer struct {
	// The token. It is read at every authentication, so that a file or secret may be renewed.
	Token secret.Text `yaml:"token"`
	// URL that gives tokens to client_id, https, or http on this host alone.
	TokenURL string `yaml:"token_url"`
	// Id of the client, for token_url.
	ClientID string `yaml:"client_id"`
	// Secret of the client, for token_url.
	ClientSecret secret.Text `yaml:"client_secret"`
	// What the token is asked for: scopes with spaces between them. Empty: what the server gives.
	Scope string `yaml:"scope"`
	// Names and values that are sent with the token, such as logicalCluster for Confluent Cloud.
	Extensions map[string]string `yaml:"extensions"`
}

func (o *OAuthBearer) validate() error {
	var errs []error
	switch {
	case o.Token.IsSet() && (o.TokenURL != "" || o.ClientID != "" || o.ClientSecret.IsSet() || o.Scope != ""):
		errs = append(errs, errors.New("token and token_url with client_id, client_secret and scope exclude each other"))
	case !o.Token.IsSet() && (o.TokenURL == "" || o.ClientID == "" || !o.ClientSecret.IsSet()):
		errs = append(errs, errors.New("token is needed, or token_url, client_id and client_secret"))
	case o.TokenURL != "":
		errs = append(errs, checkTokenURL(o.TokenURL))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Extensions)) {
		// RFC 7628, section 3.1.
		if name == "auth" || name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz") != "" || strings.ContainsRune(o.Extensions[name], 1) {
			errs = append(errs, fmt.Errorf("extensions: %q can't be sent: a name has letters only, and isn't auth", name))
		}
	}
	return errors.Join(errs...)
}

func checkTokenURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("token_url must be a URL such as https://login.example.com/oauth2/token")
	case u.User != nil:
		return errors.New("token_url can't hold credentials: set client_id and client_secret")
	case u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return errors.New("token_url must be https: the secret and the token could be read on their way")
	}
	return nil
}

func (o *OAuthBearer) method(context.Context, string) (method, error) {
	b := &bearer{
		OAuthBearer: o,
		token:       &credential{name: "auth.oauthbearer.token", text: o.Token},
		secret:      &credential{name: "auth.oauthbearer.client_secret", text: o.ClientSecret},
		client: &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret goes nowhere else
		},
	}
	b.sasl = oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		token, err := b.read(ctx)
		return oauth.Auth{Token: token, Extensions: o.Extensions}, err
	})
	return b, nil
}

// A bearer authenticates by a token.
type bearer struct {
	*OAuthBearer
	sasl          sasl.Mechanism
	token, secret *credential
	client        *http.Client
	subject       atomic.Pointer[string]

	mu    sync.Mutex
	given string // by token_url
	until time.Time
}

func (b *bearer) read(ctx context.Context) (string, error) {
	token, err := b.find(ctx)
	if err != nil {
		return "", &localError{prefixed("auth.oauthbearer", err)}
	}
	subject := subject(token)
	b.subject.Store(&subject)
	return token, nil
}

func (b *bearer) find(ctx context.Context) (string, error) {
	var token string
	var err error
	if b.TokenURL != "" {
		token, err = b.current(ctx)
	} else {
		token, err = b.token.read(ctx)
	}
	token = strings.TrimSpace(token)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", connector.Systemic.Errorf("the token is empty")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", connector.Systemic.Errorf("the token holds characters that no token has")
	}
	return token, nil
}

// current is the token given last, or a new one when four fifths of its life are over.
func (b *bearer) current(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return b.given, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	clientSecret, err := b.secret.read(ctx)
	if err != nil {
		return "", err
	}
	token, life, err := b.ask(ctx, clientSecret)
	if err != nil {
		return "", prefixed("token_url: ask "+b.TokenURL+" for a token", err)
	}
	b.given, b.until = token, time.Now().Add(life*4/5)
	return token, nil
}

// ask asks for a token by the client credentials grant.
func (b *bearer) ask(ctx context.Context, clientSecret string) (token string, life time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if b.Scope != "" {
		form.Set("scope", b.Scope)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(b.ClientID), url.QueryEscape(clientSecret)) // RFC 6749, section 2.3.1
	answer, err := b.client.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address is in the message already
		}
		return "", 0, err
	}
	defer answer.Body.Close()
	var body struct {
		Token  string  `json:"access_token"`
		Life   float64 `json:"expires_in"` // seconds
		Reason string  `json:"error"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&body)
	switch {
	case answer.StatusCode == http.StatusUnauthorized || body.Reason == "invalid_client":
		b.secret.refused()
		return "", 0, connector.Systemic.Errorf("it refuses the client: check client_id and client_secret")
	case answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusForbidden:
		return "", 0, connector.Systemic.Errorf("it refuses (%s): check client_id and scope", cmp.Or(reason(body.Reason), answer.Status))
	case answer.StatusCode != http.StatusOK:
		return "", 0, fmt.Errorf("it answers %s", answer.Status)
	case err != nil || body.Token == "":
		return "", 0, connector.Systemic.Errorf("its answer holds no access_token: check token_url")
	}
	return body.Token, time.Duration(min(max(body.Life, 0), 1e6) * float64(time.Second)), nil
}

// reason is an error code of RFC 6749, section 5.2, and "" for anything else.
func reason(code string) string {
	if slices.Contains([]string{"invalid_request", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}, code) {
		return code
	}
	return ""
}

// subject is whom a token is about, if it is a JWT: the claim sub, which brokers make the principal of unless they are told otherwise.
func subject(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Sub
}

func (b *bearer) ready(ctx context.Context) error {
	_, err := b.read(ctx)
	return err
}

func (b *bearer) mechanism() sasl.Mechanism { return b.sasl }
func (b *bearer) close()                    { b.client.CloseIdleConnections() }

func (b *bearer) refused() {
	b.token.refused()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Time{}
}

func (b *bearer) principal() string {
	if s := b.subject.Load(); s != nil && *s != "" {
		return "User:" + *s
	}
	return ""
}

func (b *bearer) advice() string {
	return "the brokers refuse the token: check who issued it, for which audience and scope, and that it hasn't expired"
}
