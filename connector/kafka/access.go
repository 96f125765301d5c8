package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/identity"
)

// A route is what the settings of a Consumer and a DeadLetter have in common: how brokers are reached, and as whom.
type route struct {
	brokers     []string
	cluster     Cluster
	clientID    string
	auth        Auth
	tls         TLS
	dialTimeout time.Duration
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
	options     []kgo.Opt
}

func (c *Config) route() route {
	return route{c.Brokers, c.Cluster, cmp.Or(c.ClientID, "millrace"), c.Auth, c.TLS, time.Duration(c.DialTimeout), c.Dial, c.Options}
}

func (c *DeadLetterConfig) route() route {
	return route{c.Brokers, c.Cluster, cmp.Or(c.ClientID, "millrace"), c.Auth, c.TLS, time.Duration(c.DialTimeout), c.Dial, c.Options}
}

var errNoBrokers = errors.New("brokers: at least one address is needed, such as localhost:9092, or cluster: the ARN of an Amazon MSK cluster")

// named reports whether there are brokers or a cluster.
func (r *route) named() bool { return len(list(r.brokers)) > 0 || r.cluster != (Cluster{}) }

// encrypted reports whether connections use TLS.
func (r *route) encrypted() bool {
	return r.tls.Enabled || r.auth.name() != authNone && !r.auth.insecure()
}

// validate checks the settings; nothing is read. No brokers are no error here.
func (r *route) validate() error {
	_, err := addresses(r.brokers)
	errs := []error{err, r.cluster.validate(r.auth.name()), r.auth.Validate(), r.tls.validate(r.encrypted())}
	if len(list(r.brokers)) > 0 && r.cluster != (Cluster{}) {
		errs = append(errs, errors.New("brokers and cluster exclude each other"))
	}
	if r.auth.insecure() && r.tls.Enabled {
		errs = append(errs, fmt.Errorf("auth.%s.insecure_plaintext and tls.enabled exclude each other", r.auth.name()))
	}
	return errors.Join(errs...)
}

// An access is a route that is ready for clients: what they share, one after the other. It is safe for concurrent use.
type access struct {
	route
	seeds  []string
	tls    *tls.Config // nil without TLS
	method method
	gate   *gate
	client atomic.Pointer[kgo.Client] // the newest

	mu     sync.Mutex
	failed time.Time // since when no connection succeeds; zero if the last did
	looked time.Time // when the brokers were last looked up
}

var (
	_ kgo.HookNewClient     = (*access)(nil)
	_ kgo.HookBrokerConnect = (*access)(nil)
)

// open reads files and secrets, and looks the brokers up. Brokers aren't asked.
func (r route) open(ctx context.Context) (*access, error) {
	a := &access{route: r, method: noMethod{}, gate: newGate()}
	var err error
	if r.encrypted() {
		if a.tls, err = r.tls.config(); err != nil {
			return nil, err
		}
		// Otherwise an embedder's Dialer would send credentials without TLS.
		if err := kgo.ValidateOpts(append(slices.Clone(r.options), kgo.DialTLSConfig(a.tls))...); err != nil {
			return nil, fmt.Errorf("kafka options: with TLS, set Dial in place of a Dialer: %w", err)
		}
	}
	if _, setup := r.auth.chosen(); setup != nil {
		if a.method, err = setup.method(ctx, r.clientID); err != nil {
			return nil, a.explain("auth", "", err)
		}
		if err = a.method.ready(ctx); err != nil {
			a.close()
			return nil, a.explain("auth", "", err)
		}
	}
	if c, ok := a.method.(*clientCertificate); ok {
		a.tls.GetClientCertificate = c.hand
	}
	if a.seeds, err = r.find(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// find returns the brokers to start from.
func (r *route) find(ctx context.Context) ([]string, error) {
	if r.cluster == (Cluster{}) {
		return addresses(r.brokers)
	}
	as := identity.Config{}
	if r.auth.MSKIAM != nil {
		as = r.auth.MSKIAM.identity(r.clientID)
	}
	return r.cluster.lookUp(ctx, as, r.auth.name())
}

func (a *access) close() { a.method.close() }

// principal is as whom the brokers know this client, as far as that is known: "User:alice", or an ARN.
func (a *access) principal() string {
	if a == nil {
		return ""
	}
	return a.method.principal()
}

// identify finds the principal where a service must be asked.
func (a *access) identify(ctx context.Context) {
	if s, ok := a.method.(*signer); ok {
		s.identify(ctx)
	}
}

// warn sets who hears of what still works but soon won't.
func (a *access) warn(tell func(error)) {
	if c, ok := a.method.(*clientCertificate); ok {
		c.warn.Store(&tell)
	}
}

// clientOptions are those of every client.
func (a *access) clientOptions() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(a.seeds...),
		kgo.ClientID(a.clientID),
		kgo.DisableClientMetrics(),
		kgo.Dialer(a.connect),
		kgo.WithHooks(a),
	}
	if m := a.method.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

// connect opens a connection when it is time to.
func (a *access) connect(ctx context.Context, network, address string) (net.Conn, error) {
	a.refresh(ctx, time.Now())
	if err := a.gate.wait(ctx, address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.dialTimeout)
	defer cancel()
	dial := a.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil || a.tls == nil {
		return conn, err
	}
	config := a.tls.Clone()
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			conn.Close()
			return nil, err
		}
	}
	encrypted := tls.Client(conn, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return encrypted, nil
}

const (
	lookAgain = 30 * time.Second // without a connection, before the cluster's brokers are looked up again; and between two times
)

// refresh looks the cluster's brokers up again when none of those known has answered for a while. What fails is
// tried again later: that no broker answers is said anyway.
func (a *access) refresh(ctx context.Context, now time.Time) {
	a.mu.Lock()
	due := a.cluster != (Cluster{}) && !a.failed.IsZero() && now.Sub(a.failed) >= lookAgain && now.Sub(a.looked) >= lookAgain
	if due {
		a.looked = now
	}
	a.mu.Unlock()
	client := a.client.Load()
	if !due || client == nil {
		return
	}
	if seeds, err := a.find(ctx); err == nil {
		_ = client.UpdateSeedBrokers(seeds...) // addresses that can't be parsed are no news
	}
}

// OnNewClient is called by franz-go.
func (a *access) OnNewClient(client *kgo.Client) { a.client.Store(client) }

// OnBrokerConnect is called by franz-go when a connection has been authenticated, or was not.
func (a *access) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	now := time.Now()
	a.gate.settle(net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port))), now, err == nil)
	if isRefusal(err) {
		a.method.refused()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.failed = time.Time{}
	case a.failed.IsZero():
		a.failed = now
	}
}

// ping checks that a broker answers. Refused credentials are tried once more: those that are read then may be newer.
func (a *access) ping(ctx context.Context, client *kgo.Client) error {
	err := client.Ping(ctx)
	if isRefusal(err) {
		err = client.Ping(ctx)
	}
	if err != nil {
		return a.unreachable(err)
	}
	return nil
}

// unreachable is the error of a client that found no broker.
func (a *access) unreachable(err error) error {
	what := "brokers " + strings.Join(a.seeds, ",")
	if !isRefusal(err) {
		what += ": none of them answers"
	}
	var port int
	if len(a.seeds) > 0 {
		_, text, _ := net.SplitHostPort(a.seeds[0])
		port, _ = strconv.Atoi(text)
	}
	var wait net.Error
	if errors.As(err, &wait) && wait.Timeout() {
		settings := "tls.enabled"
		if a.auth.name() != authNone {
			settings = "auth"
		}
		err = fmt.Errorf("no answer in time: check brokers and %s (%w)", settings, err)
	}
	return a.explainConnection(what, port, err)
}

// A localError is why this client can't authenticate, before a broker is asked.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }
