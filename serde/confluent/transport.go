package confluent

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/keypair"
)

const (
	dialTimeout    = 2 * time.Second
	requestTimeout = 5 * time.Second // of one request, to one URL
	idleTimeout    = 30 * time.Second
	connections    = 8 // at a time; who calls bounds what is under way

	// maxResponse is what is read of a response. A schema of maxSchema takes up to six times its size as a JSON string.
	maxResponse = 8 << 20
)

// httpClient follows no redirect: the next host would get the credentials.
func (c Connection) httpClient() (*http.Client, error) {
	config, err := c.TLS.config()
	if err != nil {
		return nil, connector.Systemic.Wrap(err)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       requestTimeout,
		Transport: &transport{
			base: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
				TLSClientConfig:        config,
				TLSHandshakeTimeout:    dialTimeout,
				ForceAttemptHTTP2:      true,
				MaxConnsPerHost:        connections,
				MaxIdleConnsPerHost:    connections,
				IdleConnTimeout:        idleTimeout,
				MaxResponseHeaderBytes: 64 << 10,
			},
			login: c.login(),
		},
	}, nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CertFile != "" {
		c.GetClientCertificate = keypair.NewReloader(t.certificate, nil).ClientCertificate
	}
	var err error
	if c.RootCAs, err = keypair.Authorities("tls.ca_file", t.CAFile); err != nil {
		return nil, err
	}
	return c, nil
}

// certificate reads the client's certificate.
func (t TLS) certificate(ctx context.Context) (p keypair.Parts, err error) {
	if p.Certificate, err = os.ReadFile(t.CertFile); err != nil {
		return p, &settingError{"tls.cert_file", err}
	}
	p.Key = p.Certificate
	if t.KeyFile != "" {
		if p.Key, err = os.ReadFile(t.KeyFile); err != nil {
			return p, &settingError{"tls.key_file", err}
		}
	}
	if p.Password, err = t.KeyPassword.Read(ctx); err != nil {
		return p, &settingError{"tls.key_password", err}
	}
	return p, nil
}

// A settingError is a setting that can't be read.
type settingError struct {
	setting string
	err     error
}

func (e *settingError) Error() string { return e.setting + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// A transport adds the credentials to requests, and limits responses.
type transport struct {
	base  *http.Transport
	login *login // nil: none
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := ""
	if t.login != nil {
		var err error
		if req, sent, err = t.login.sign(req); err != nil {
			if req.Body != nil {
				err = errors.Join(err, req.Body.Close()) // as a RoundTripper must
			}
			return nil, err
		}
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if t.login != nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
		t.login.refuse(sent)
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxResponse)
	return resp, nil
}

// CloseIdleConnections is for http.Client.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// A login is what requests are signed with. It is safe for concurrent use.
type login struct {
	user    string // "": text is a token
	setting string // password or token
	text    secret.Text

	mu      sync.Mutex
	refused string // by the registry, last; "": nothing
}

func (c Connection) login() *login {
	switch {
	case c.Token.IsSet():
		return &login{setting: "token", text: c.Token}
	case c.Password.IsSet():
		return &login{user: c.User, setting: "password", text: c.Password}
	}
	return nil
}

// sign is a copy of the request with credentials, which are newer ones after a refusal if there are any.
func (l *login) sign(req *http.Request) (signed *http.Request, sent string, err error) {
	l.mu.Lock()
	refused := l.refused
	l.mu.Unlock()
	text, err := l.text.Renew(req.Context(), refused)
	if err != nil {
		return req, "", &settingError{l.setting, err}
	}
	signed = req.Clone(req.Context())
	if l.user != "" {
		signed.SetBasicAuth(l.user, text)
	} else {
		signed.Header.Set("Authorization", "Bearer "+text)
	}
	return signed, text, nil
}

// refuse notes what the registry didn't take.
func (l *login) refuse(sent string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = sent
}
