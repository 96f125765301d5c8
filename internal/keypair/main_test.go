package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "testpassword"

// fixture reads a file that openssl made; see testdata/README.md.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An entity is a certificate with its key, made by the test.
type entity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (e entity) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw}))
}

func (e entity) keyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(e.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (e entity) parts(t testing.TB) Parts {
	return Parts{Certificate: []byte(e.pem()), Key: []byte(e.keyPEM(t))}
}

// issue makes a certificate that issuer signs, or the certificate itself where issuer is nil.
func issue(t testing.TB, name string, issuer *entity, change ...func(*x509.Certificate)) entity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, name, key, issuer, change...)
}

// certify makes another certificate for a key.
func certify(t testing.TB, name string, key *ecdsa.PrivateKey, issuer *entity, change ...func(*x509.Certificate)) entity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, f := range change {
		f(template)
	}
	parent, signer := template, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return entity{cert, key}
}

func valid(from, until time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }
}

// wantProblem checks that err is an *Error with each of the texts in it.
func wantProblem(t *testing.T, err error, texts ...string) {
	t.Helper()
	var problem *Error
	if !errors.As(err, &problem) {
		t.Fatalf("got error %v, want an *Error with %q", err, texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got error %q, want %q in it", err, text)
		}
	}
}

// wantPair checks that the pair can be used, and for which certificates.
func wantPair(t *testing.T, got *tls.Certificate, err error, names ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var chain []string
	for _, der := range got.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c.Subject.CommonName)
	}
	if g, w := strings.Join(chain, ", "), strings.Join(names, ", "); g != w {
		t.Errorf("got chain %s, want %s", g, w)
	}
	if got.Leaf == nil || got.Leaf.Subject.CommonName != names[0] {
		t.Errorf("got leaf %v, want %s", got.Leaf, names[0])
	}
	digest := make([]byte, 32)
	signed, err := got.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Leaf; c.PublicKeyAlgorithm == x509.ECDSA && !ecdsa.VerifyASN1(c.PublicKey.(*ecdsa.PublicKey), digest, signed) {
		t.Error("the certificate doesn't verify what the key signed")
	}
}
