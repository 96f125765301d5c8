package testbed

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Listener is a way to reach a secure Kafka.
type Listener string

// The listeners of a secure Kafka beside the plain one. All speak TLS, with a certificate of the bed's own authority.
const (
	SCRAM    Listener = "SCRAM"    // SCRAM-SHA-256 and SCRAM-SHA-512
	PLAIN    Listener = "PLAIN"    // PLAIN
	MTLS     Listener = "MTLS"     // a client certificate is required
	TLS      Listener = "TLS"      // no authentication: the principal is User:ANONYMOUS, as on the plain listener
	IAM      Listener = "IAM"      // AWS_MSK_IAM and OAUTHBEARER, advertised with a name as MSK's brokers have it
	IAMLocal Listener = "IAMLOCAL" // the same, advertised as 127.0.0.1: for processes, which can't be given a dialer
)

const (
	iamDomain = "testcluster.abc123.c2.kafka.us-east-1.amazonaws.com"
	iamHost   = "b-1." + iamDomain
	iamRegion = "us-east-1"
)

// A secured is a listener as the broker is told of it.
type secured struct {
	name       Listener
	protocol   string
	host       string // advertised
	mechanisms []string
}

func securedListeners() []secured {
	const local = "127.0.0.1"
	iam := []string{"AWS_MSK_IAM", "OAUTHBEARER"}
	return []secured{
		{SCRAM, "SASL_SSL", local, []string{"SCRAM-SHA-512", "SCRAM-SHA-256"}},
		{PLAIN, "SASL_SSL", local, []string{"PLAIN"}},
		{MTLS, "SSL", local, nil},
		{TLS, "SSL", local, nil},
		{IAM, "SASL_SSL", iamHost, iam},
		{IAMLocal, "SASL_SSL", local, iam},
	}
}

// SecureOptions say what secure Kafka to start. With the zero value, a session lasts as long as its credentials.
type SecureOptions struct {
	// Reauth is connections.max.reauth.ms of every listener with SASL: after so long a client has to authenticate again. For one
	// listener alone it goes to Config, as listener.name.iam.aws_msk_iam.connections.max.reauth.ms.
	Reauth time.Duration
	Config map[string]string // of the node, over all else
}

// SecureBrokers are a Kafka of one node with authentication and ACLs. The embedded Brokers are the plain listener, whose clients
// may do everything; a client of another listener may do nothing until it is allowed.
type SecureBrokers struct {
	*Brokers
	Username, Password string // of SCRAM, with both mechanisms, and of PLAIN
	CAFile             string // certificate of the bed's authority, which clients have to trust
	Region             string // in signatures of IAM; another one is refused
	Credentials        *CredentialTable

	addrs    map[Listener]string
	dir      string
	clients  *authority // issues the certificates of clients
	foreign  *authority // the broker doesn't know it
	attempts string     // file of the plug-in
}

// StartSecureKafka starts a Kafka for this test alone, within about 15 s. It ends with the test.
func StartSecureKafka(t testing.TB, o SecureOptions) *SecureBrokers {
	t.Helper()
	return started(t, func(ctx context.Context, dir string) (*SecureBrokers, error) { return startSecureKafka(ctx, dir, o) })
}

func startSecureKafka(ctx context.Context, dir string, o SecureOptions) (*SecureBrokers, error) {
	classes, err := IAMPlugin(ctx)
	if err != nil {
		return nil, err
	}
	b := &SecureBrokers{
		Username: "alice", Password: rand.Text(), CAFile: filepath.Join(dir, "ca.crt"), Region: iamRegion, dir: dir,
		addrs: make(map[Listener]string), attempts: filepath.Join(dir, "iam-attempts"),
	}
	if err := b.certify(); err != nil {
		return nil, err
	}
	if b.Credentials, err = newCredentialTable(filepath.Join(dir, "iam-credentials")); err != nil {
		return nil, err
	}
	ports, err := freePorts(listeners + len(securedListeners()))
	if err != nil {
		return nil, err
	}
	config := b.properties(ports, o.Reauth)
	maps.Copy(config, o.Config)
	options := KafkaOptions{Config: config, classes: classes}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		options.format = append(options.format, "--add-scram",
			fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, b.Username, b.Password))
	}
	b.Brokers, err = startKafkaOn(ctx, dir, ports[:listeners], options)
	return b, err
}

// certify makes the authorities, and the broker's key and certificate in the one file that Kafka wants.
func (b *SecureBrokers) certify() error {
	root, err := newAuthority(b.CAFile)
	if err != nil {
		return err
	}
	if b.clients, err = root.intermediate("Millrace test bed, clients"); err != nil {
		return err
	}
	if b.foreign, err = newAuthority(filepath.Join(b.dir, "foreign-ca.crt")); err != nil {
		return err
	}
	certFile, keyFile, err := root.issue(b.dir, "kafka", func(c *x509.Certificate) {
		c.DNSNames = append(c.DNSNames, "*."+iamDomain)
	})
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	return os.WriteFile(b.keyStore(), slices.Concat(key, cert), 0o600)
}

func (b *SecureBrokers) keyStore() string { return filepath.Join(b.dir, "kafka.pem") }

// properties are what the node is told beyond a plain one. The ports are the plain listeners' and then the secured ones'.
func (b *SecureBrokers) properties(ports []int, reauth time.Duration) map[string]string {
	advertised := []string{
		"CLIENT://" + local(ports[clientListener]), "PEER://" + local(ports[peerListener]),
	}
	bound := append(slices.Clone(advertised), "CONTROLLER://"+local(ports[controllerListener]))
	protocols := []string{"CLIENT:PLAINTEXT", "PEER:PLAINTEXT", "CONTROLLER:PLAINTEXT"}
	p := map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":           "User:ANONYMOUS", // who comes without authentication: tests, and the node itself

		"ssl.keystore.type":       "PEM",
		"ssl.keystore.location":   b.keyStore(),
		"ssl.truststore.type":     "PEM",
		"ssl.truststore.location": b.CAFile,

		"connection.failed.authentication.delay.ms": "0", // tests of wrong passwords needn't wait
		"listener.name.mtls.ssl.client.auth":        "required",
	}
	for i, l := range securedListeners() {
		name, port := string(l.name), ports[listeners+i]
		b.addrs[l.name] = fmt.Sprintf("%s:%d", l.host, port)
		bound = append(bound, name+"://"+local(port))
		advertised = append(advertised, name+"://"+b.addrs[l.name])
		protocols = append(protocols, name+":"+l.protocol)
		prefix := "listener.name." + strings.ToLower(name) + "."
		if l.mechanisms != nil {
			p[prefix+"sasl.enabled.mechanisms"] = strings.Join(l.mechanisms, ",")
		}
		for _, mechanism := range l.mechanisms {
			prefix := prefix + strings.ToLower(mechanism) + "."
			maps.Copy(p, b.mechanism(mechanism, prefix))
			if reauth > 0 {
				p[prefix+"connections.max.reauth.ms"] = strconv.FormatInt(reauth.Milliseconds(), 10)
			}
		}
	}
	p["listeners"] = strings.Join(bound, ",")
	p["advertised.listeners"] = strings.Join(advertised, ",")
	p["listener.security.protocol.map"] = strings.Join(protocols, ",")
	return p
}

// mechanism is the configuration of one mechanism of SASL. The prefix names it and its listener.
func (b *SecureBrokers) mechanism(name, prefix string) map[string]string {
	const modules = "org.apache.kafka.common.security."
	login, handler := "", ""
	iam := fmt.Sprintf("table=%q attempts=%q region=%q", b.Credentials.file, b.attempts, b.Region)
	switch name {
	case "PLAIN":
		login = modules + fmt.Sprintf("plain.PlainLoginModule required user_%s=%q", b.Username, b.Password)
	case "OAUTHBEARER": // Kafka's own module wants to make a token for the broker itself, which nobody looks at
		login, handler = modules+"oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\" "+iam, "IamCallbackHandler"
	case "AWS_MSK_IAM":
		login, handler = "IamLoginModule required "+iam, "IamCallbackHandler"
	default:
		login = modules + "scram.ScramLoginModule required"
	}
	p := map[string]string{prefix + "sasl.jaas.config": login + ";"}
	if handler != "" {
		p[prefix+"sasl.server.callback.handler.class"] = handler
	}
	return p
}

// Addr is the address of a listener, to be given to clients as the broker's.
func (b *SecureBrokers) Addr(l Listener) string { return b.addrs[l] }

// An Attempt is an authentication on the listener IAM or IAMLocal: the first one of a connection, or a later one.
type Attempt struct {
	Mechanism, AccessKey, Principal, UserAgent string
	Refused                                    string // why; the client isn't told. Empty: it was accepted
}

// Attempts returns the authentications so far, in their order.
func (b *SecureBrokers) Attempts(t testing.TB) []Attempt {
	t.Helper()
	text, err := os.ReadFile(b.attempts)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("read the broker's attempts: %v", err)
	}
	var attempts []Attempt
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("read the broker's attempts: line %q", line)
		}
		attempts = append(attempts, Attempt{Mechanism: f[0], AccessKey: f[1], Principal: f[2], UserAgent: f[3], Refused: f[4]})
	}
	return attempts
}
