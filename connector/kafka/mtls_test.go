package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// An authority issues certificates of clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

// issue returns a client's certificate and key in PEM.
func (a authority) issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: []string{"mill"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// mutual is a cluster that wants certificates of an authority's, and the settings to reach it without one.
func mutual(t *testing.T, a authority, want tls.ClientAuthType) (*fake, Config) {
	t.Helper()
	ca, server := certificate(t, "broker.test")
	server.ClientAuth, server.ClientCAs = want, x509.NewCertPool()
	server.ClientCAs.AddCert(a.cert)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("test"), kfake.SeedTopics(1, "t"), kfake.TLS(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	f := &fake{Cluster: c}
	config := f.config("t")
	config.TLS = TLS{CAFile: ca, ServerName: "broker.test"}
	return f, config
}

func lambdaSecret(t *testing.T, cert, key []byte) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"certificate": string(cert), "privateKey": string(key)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMutualTLS(t *testing.T) {
	a := newAuthority(t)
	_, config := mutual(t, a, tls.RequireAndVerifyClientCert)
	cert, key := a.issue(t, "reader")
	for name, m := range map[string]MTLS{
		"two files": {CertFile: write(t, "cert.pem", cert), KeyFile: write(t, "key.pem", key)},
		"one file":  {CertFile: write(t, "both.pem", append(append([]byte{}, cert...), key...))},
		"a secret":  {Certificate: secret.New(lambdaSecret(t, cert, key))},
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			config.Auth.MTLS = &m
			if got := open(t, config).Report().Principal; got != "User:CN=reader,O=mill" {
				t.Errorf("principal %q", got)
			}
		})
	}
}

func TestMutualTLSIsRefused(t *testing.T) {
	a := newAuthority(t)
	_, config := mutual(t, a, tls.RequireAndVerifyClientCert)
	cert, key := newAuthority(t).issue(t, "stranger")
	_, other := a.issue(t, "reader")
	stranger := &MTLS{CertFile: write(t, "cert.pem", cert), KeyFile: write(t, "key.pem", key)}
	for name, c := range map[string]struct {
		auth  Auth
		texts []string
	}{
		"no certificate": {Auth{TLS: &NoSettings{}}, []string{"server failed to authenticate: ", "remote error: tls: ", "(the brokers want a client certificate: set auth.mtls, or check the port in brokers)"}},
		"of an authority that isn't trusted": {Auth{MTLS: stranger}, []string{"server failed to authenticate: ", "remote error: tls: ",
			"(the brokers don't trust the client certificate: it must be signed by an authority that they know, and be valid now: check auth.mtls.cert_file)"}},
		"the key of another": {Auth{MTLS: &MTLS{CertFile: write(t, "cert.pem", cert), KeyFile: write(t, "key.pem", other)}}, []string{"certificate or private key invalid: auth.mtls.cert_file: "}},
		"a key that is none": {Auth{MTLS: &MTLS{Certificate: secret.New(lambdaSecret(t, cert, []byte(canary)))}}, []string{"certificate or private key invalid: auth.mtls.certificate: "}},
		"a missing file":     {Auth{MTLS: &MTLS{PKCS12File: "/nowhere.p12"}}, []string{"certificate or private key invalid: auth.mtls.pkcs12_file: ", "/nowhere.p12: no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			config.Auth = c.auth
			_, err := config.Open(t.Context())
			has(t, err, c.texts...)
			silent(t, err)
			if connector.ClassOf(err) != connector.Systemic {
				t.Errorf("class %s", connector.ClassOf(err))
			}
		})
	}
}

// A certificate that nobody asked for explains a refusal.
func TestACertificateThatNobodyAskedFor(t *testing.T) {
	a := newAuthority(t)
	f, config := mutual(t, a, tls.NoClientCert)
	cert, key := a.issue(t, "reader")
	config.Auth.MTLS = &MTLS{Certificate: secret.New(lambdaSecret(t, cert, key))}
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed})
	_, err := config.Open(t.Context())
	has(t, err, "cluster failed to authorize", "turn mutual TLS on in the cluster")
}

// Files are read at every connection, and a secret again once it was refused.
func TestCertificatesAreRenewed(t *testing.T) {
	a := newAuthority(t)
	_, config := mutual(t, a, tls.RequireAndVerifyClientCert)
	cert, key := newAuthority(t).issue(t, "stranger")
	certFile, keyFile := write(t, "cert.pem", cert), write(t, "key.pem", key)
	config.Auth.MTLS = &MTLS{CertFile: certFile, KeyFile: keyFile}
	access, err := config.route().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.look(t.Context(), access); err == nil {
		t.Fatal("a stranger is let in")
	}
	newCert, newKey := a.issue(t, "reader")
	for path, data := range map[string][]byte{certFile: newCert, keyFile: newKey} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.look(t.Context(), access); err != nil {
		t.Error(err)
	}
	at := &place{texts: []string{lambdaSecret(t, cert, key), lambdaSecret(t, newCert, newKey)}}
	config.Auth.MTLS = &MTLS{Certificate: secret.From(at)}
	open(t, config)
	if len(at.refused) != 1 {
		t.Errorf("%d renewals", len(at.refused))
	}
}

// What can't be used is told, while the certificate before goes on.
func TestABadRenewalIsTold(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, "reader")
	path := write(t, "both.pem", append(cert, key...))
	m, err := (&MTLS{CertFile: path}).method(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	c := m.(*clientCertificate)
	if err := c.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var told []error
	(&access{method: c}).warn(func(err error) { told = append(told, err) })
	if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.certificate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(told) != 1 {
		t.Fatalf("told %v", told)
	}
	has(t, told[0], "auth.mtls.cert_file: the certificate that was read last can't be used: the one before stays in use until 2")
	silent(t, told[0])
}
