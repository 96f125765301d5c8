package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An authority is a certificate authority of the test bed's own.
type authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	chain [][]byte // between what it issues and the root, in the order that TLS wants; none of a root
}

// newAuthority makes an authority and writes its certificate to file.
func newAuthority(file string) (*authority, error) {
	template := authorityTemplate("Millrace test bed")
	der, key, err := sign(template, &authority{cert: template})
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	return &authority{cert: cert, key: key}, writePEM(file, "CERTIFICATE", der)
}

// intermediate makes an authority below a: what it issues holds for who trusts a, and brings its certificate.
func (a *authority) intermediate(name string) (*authority, error) {
	der, key, err := sign(authorityTemplate(name), a)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	return &authority{cert: cert, key: key, chain: append([][]byte{der}, a.chain...)}, nil
}

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// issue writes <name>.crt, with the chain, and <name>.key to dir, for a server or client on this machine. The changes are made
// to the certificate before it is signed.
func (a *authority) issue(dir, name string, changes ...func(*x509.Certificate)) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   a.cert.NotBefore,
		NotAfter:    a.cert.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	for _, change := range changes {
		change(template)
	}
	der, key, err := sign(template, a)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encode the key of %s: %w", name, err)
	}
	if err := writePEM(certFile, "CERTIFICATE", append([][]byte{der}, a.chain...)...); err != nil {
		return "", "", err
	}
	return certFile, keyFile, writePEM(keyFile, "PRIVATE KEY", secret)
}

// sign makes a key and its certificate. An authority without a key is the one that is being made: it signs itself.
func sign(template *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey, error) {
	name := template.Subject.CommonName
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for %s: %w", name, err)
	}
	signer := by.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	return der, key, nil
}

func writePEM(file, kind string, blocks ...[]byte) error {
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}
