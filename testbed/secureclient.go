package testbed

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Connect returns a client of a listener, with TLS that trusts the bed's authority, that is closed with the test. The options
// say who it is: kgo.SASL(...). For MTLS see DialTLS.
func (b *SecureBrokers) Connect(t testing.TB, l Listener, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return b.Client(t, append([]kgo.Opt{kgo.SeedBrokers(b.Addr(l)), kgo.Dialer(b.DialTLS(t))}, opts...)...)
}

// Dial connects as net.Dialer does, but sends the names of the listener IAM to this machine.
func (b *SecureBrokers) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, "."+iamDomain) {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// DialTLS returns Dial with TLS on top, for kgo.Dialer. The certificates are the client's.
func (b *SecureBrokers) DialTLS(t testing.TB, certs ...tls.Certificate) func(ctx context.Context, network, addr string) (net.Conn, error) {
	t.Helper()
	config := b.TLSConfig(t)
	config.Certificates = certs
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		plain, err := b.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		config := config.Clone()
		config.ServerName = host
		conn := tls.Client(plain, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		return conn, nil
	}
}

// TLSConfig returns a configuration that trusts the bed's authority and no other.
func (b *SecureBrokers) TLSConfig(t testing.TB) *tls.Config {
	t.Helper()
	return trusting(t, b.CAFile)
}

// trusting returns a configuration that trusts the authority in caFile and no other.
func trusting(t testing.TB, caFile string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatalf("read the certificate authority: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("%s holds no certificate", caFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// ClientCert issues a certificate and its key in PEM, the principal User:CN=<name>. The file begins with the client's own certificate;
// the intermediate authority's follows, without which the broker doesn't take it. The key is PKCS#8, see EncryptKey.
func (b *SecureBrokers) ClientCert(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	return issued(t, b.clients, name)
}

// ExpiredCert is ClientCert with one that was in force until an hour ago.
func (b *SecureBrokers) ExpiredCert(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	return issued(t, b.clients, name, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
}

// ForeignCert is ClientCert with one of an authority that the broker doesn't know.
func (b *SecureBrokers) ForeignCert(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	return issued(t, b.foreign, name)
}

func issued(t testing.TB, by *authority, name string, changes ...func(*x509.Certificate)) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := by.issue(t.TempDir(), name, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// A KeyEncryption is a way to encrypt a private key by a password: arguments of openssl pkcs8.
type KeyEncryption string

// PBES1 is the old way, which Java 17 reads too, PBES2 openssl's own choice.
const (
	PBES1 KeyEncryption = "-v1 PBE-SHA1-3DES"
	PBES2 KeyEncryption = "-v2 aes256"
)

// EncryptKey writes the key of keyFile again, encrypted, and returns its file. It needs openssl.
func EncryptKey(t testing.TB, keyFile, password string, by KeyEncryption) string {
	t.Helper()
	openssl, err := inPath("openssl")()
	if err != nil {
		t.Fatal(err)
	}
	file := keyFile + "." + rand.Text()[:6]
	args := append([]string{"pkcs8", "-topk8", "-in", keyFile, "-out", file, "-passout", "pass:" + password}, strings.Fields(string(by))...)
	if err := output(exec.CommandContext(deadline(t), openssl, args...), "openssl pkcs8"); err != nil {
		t.Fatal(err)
	}
	return file
}
