package keypair

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A source is what a Reloader reads in a test, and what it tells.
type source struct {
	mu     sync.Mutex
	parts  Parts
	err    error
	events []Event
	now    time.Time
}

func (s *source) set(p Parts, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.err = p, err
}

func (s *source) read(context.Context) (Parts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts, s.err
}

// told returns what was told since it was called last.
func (s *source) told() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	return events
}

func (s *source) reloader() *Reloader {
	r := NewReloader(s.read, func(e Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	})
	s.now = time.Now()
	r.now = func() time.Time { return s.now }
	return r
}

// wantEvent checks that one event was told, with the certificate and the problem's text; "" is no problem.
func wantEvent(t *testing.T, s *source, name, problem string) {
	t.Helper()
	events := s.told()
	if len(events) != 1 || events[0].Certificate.Subject.CommonName != name {
		t.Fatalf("got events %v, want one with %s", events, name)
	}
	switch err := events[0].Problem; {
	case problem == "" && err != nil:
		t.Errorf("got problem %v", err)
	case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
		t.Errorf("got problem %v, want %q in it", err, problem)
	}
}

func wantNoEvent(t *testing.T, s *source) {
	t.Helper()
	if events := s.told(); len(events) > 0 {
		t.Errorf("got events %v, want none", events)
	}
}

func TestReload(t *testing.T) {
	old, fresh := issue(t, "Old", nil), issue(t, "New", nil)
	s := &source{}
	r := s.reloader()
	get := func(name string) {
		t.Helper()
		got, err := r.Certificate(t.Context())
		wantPair(t, got, err, name)
	}

	s.set(old.parts(t), nil)
	get("Old")
	get("Old")
	wantNoEvent(t, s)

	half := fresh.parts(t)
	half.Key = old.parts(t).Key // the certificate is written, the key isn't yet
	s.set(half, nil)
	get("Old")
	wantEvent(t, s, "Old", "private key doesn't belong")
	get("Old")
	wantNoEvent(t, s) // the same problem is told once

	half.Key = fresh.parts(t).Key[:100]
	s.set(half, nil)
	get("Old")
	wantEvent(t, s, "Old", "cut off")

	s.set(fresh.parts(t), nil)
	get("New")
	wantEvent(t, s, "New", "")
	get("New")
	wantNoEvent(t, s)

	s.set(Parts{}, errors.New("disk on fire"))
	get("New")
	wantEvent(t, s, "New", "read the client certificate: disk on fire")
	get("New")
	wantNoEvent(t, s)

	s.set(fresh.parts(t), nil)
	get("New")
	wantNoEvent(t, s)
	s.set(Parts{}, errors.New("disk on fire"))
	get("New")
	wantEvent(t, s, "New", "disk on fire") // it is a new problem: there was a success between
}

func TestReloaderWithoutGoodPair(t *testing.T) {
	e := issue(t, "Client", nil)
	s := &source{}
	r := s.reloader()
	_, err := r.Certificate(t.Context())
	wantProblem(t, err, "certificate is empty")

	full := errors.New("full")
	s.set(Parts{}, full)
	var problem *Error
	if _, err := r.Certificate(t.Context()); !errors.Is(err, full) || errors.As(err, &problem) {
		t.Errorf("got %v, want that of reading", err)
	}

	s.set(e.parts(t), nil)
	got, err := r.Certificate(t.Context())
	wantPair(t, got, err, "Client")
	wantNoEvent(t, s)
}

func TestReloaderDates(t *testing.T) {
	now := time.Now()
	old := issue(t, "Old", nil, valid(now.Add(-time.Hour), now.Add(2*time.Hour)))
	next := issue(t, "Next", nil, valid(now.Add(time.Hour), now.Add(3*time.Hour)))
	s := &source{}
	r := s.reloader()
	s.set(old.parts(t), nil)
	got, err := r.Certificate(t.Context())
	wantPair(t, got, err, "Old")

	s.set(next.parts(t), nil) // renewed ahead of its time
	got, err = r.Certificate(t.Context())
	wantPair(t, got, err, "Old")
	wantEvent(t, s, "Old", "isn't valid before")

	s.now = now.Add(90 * time.Minute) // nothing is written any more, and now it is valid
	got, err = r.Certificate(t.Context())
	wantPair(t, got, err, "Next")
	wantEvent(t, s, "Next", "")

	s.now = now.Add(4 * time.Hour)
	_, err = r.Certificate(t.Context())
	wantProblem(t, err, `certificate 1 ("CN=Next") expired on`)
	if strings.Contains(err.Error(), "until now") {
		t.Errorf("one certificate is named twice: %v", err)
	}

	s.set(Parts{}, nil)
	_, err = r.Certificate(t.Context())
	wantProblem(t, err, "certificate is empty; and the one that was in use until now: certificate 1", "expired on")
	wantNoEvent(t, s)
}

// Passwords are part of what may change.
func TestReloaderPassword(t *testing.T) {
	s := &source{}
	r := s.reloader()
	p := Parts{Certificate: fixture(t, "ec.pem"), Key: fixture(t, "ec-pbes2.key"), Password: "wrong"}
	s.set(p, nil)
	_, err := r.Certificate(t.Context())
	wantProblem(t, err, "password of the private key is wrong")
	p.Password = password
	s.set(p, nil)
	got, err := r.Certificate(t.Context())
	wantPair(t, got, err, "Test EC Client")
}

func TestSum(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	seen := map[[32]byte]Parts{}
	for _, p := range []Parts{{}, {Certificate: a}, {Key: a}, {PKCS12: a}, {Password: "a"}, {Certificate: a, Key: b}, {Certificate: []byte("ab")}, {Key: []byte("ab")}} {
		if _, ok := seen[p.sum()]; ok {
			t.Error("two different parts look the same")
		}
		seen[p.sum()] = p
	}
}

func TestReloaderObeysContext(t *testing.T) {
	e := issue(t, "Client", nil)
	parts := e.parts(t)
	reading, release := make(chan struct{}), make(chan struct{})
	r := NewReloader(func(context.Context) (Parts, error) {
		reading <- struct{}{}
		<-release
		return parts, nil
	}, nil)
	first := make(chan error)
	go func() {
		_, err := r.Certificate(context.WithoutCancel(t.Context()))
		first <- err
	}()
	<-reading
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := r.Certificate(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v while another reads, want the context's cause", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// Many connections at once, while the files change: each gets a certificate with the key that belongs to it.
func TestReloaderConcurrent(t *testing.T) {
	a, b := issue(t, "A", nil), issue(t, "B", nil)
	states := []Parts{a.parts(t), {Certificate: []byte(a.pem()), Key: []byte(b.keyPEM(t))}, b.parts(t), {}}
	s := &source{}
	r := s.reloader()
	s.set(states[0], nil)
	if _, err := r.Certificate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				s.set(states[(i+j)%len(states)], nil)
				got, err := r.Certificate(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if !holds(got.Leaf, got.PrivateKey.(crypto.Signer).Public()) {
					t.Error("got a certificate with another's key")
				}
			}
		})
	}
	wg.Wait()
}

// A connection with TLS that asks for the client's certificate: over files, before and after a renewal.
func TestHandshake(t *testing.T) {
	root := issue(t, "Root", nil)
	server := issue(t, "Server", &root, func(c *x509.Certificate) { c.DNSNames = []string{"broker"} })
	dir := t.TempDir()
	write := func(e entity) {
		t.Helper()
		for name, text := range map[string]string{"cert.pem": e.pem(), "key.pem": e.keyPEM(t)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := NewReloader(func(context.Context) (Parts, error) {
		cert, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
		if err != nil {
			return Parts{}, err
		}
		key, err := os.ReadFile(filepath.Join(dir, "key.pem"))
		return Parts{Certificate: cert, Key: key}, err
	}, nil)
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	serverPair, err := server.parts(t).Parse()
	if err != nil {
		t.Fatal(err)
	}
	serverConfig := &tls.Config{Certificates: []tls.Certificate{*serverPair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	clientConfig := &tls.Config{RootCAs: pool, ServerName: "broker", GetClientCertificate: r.ClientCertificate}
	for _, name := range []string{"Old", "New"} {
		write(issue(t, name, &root))
		if got, err := shakeHands(t, serverConfig, clientConfig); err != nil || got != name {
			t.Errorf("the server saw %q, error %v; want %q", got, err, name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := shakeHands(t, serverConfig, clientConfig); err != nil || got != "New" {
		t.Errorf("the server saw %q, error %v; want the last good", got, err)
	}
	fresh := NewReloader(r.read, nil)
	clientConfig.GetClientCertificate = fresh.ClientCertificate
	_, err = shakeHands(t, serverConfig, clientConfig)
	wantProblem(t, err, "private key is empty") // it comes through crypto/tls
}

// shakeHands returns the name that the server verified and the client's error.
func shakeHands(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	seen := make(chan string)
	go func() {
		c := tls.Server(a, server)
		name := ""
		if err := c.HandshakeContext(t.Context()); err == nil {
			name = c.ConnectionState().PeerCertificates[0].Subject.CommonName
			_, _ = c.Write([]byte("hello"))
		}
		_ = a.Close()
		seen <- name
	}()
	c := tls.Client(b, client)
	err := c.HandshakeContext(t.Context())
	if err == nil {
		var hello []byte
		if hello, err = io.ReadAll(io.LimitReader(c, 5)); err == nil && !bytes.Equal(hello, []byte("hello")) {
			t.Errorf("got %q from the server", hello)
		}
	}
	_ = b.Close()
	return <-seen, err
}
