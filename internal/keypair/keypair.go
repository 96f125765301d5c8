package keypair

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"time"
)

// Limits on what is read, which a damaged or hostile file could otherwise make costly.
const (
	maxText         = 1 << 20  // bytes of a file or a secret; Secrets Manager allows 65,536
	maxCertificate  = 32 << 10 // bytes of a certificate; usual are 1,000 to 2,000
	maxCertificates = 50       // in a file
	maxKey          = 16 << 10 // bytes of a private key; RSA with 16,384 bits has 9,300
)

// An Error says what is wrong with a certificate or a private key, and what to do. It holds no byte of the key and no
// password. Other errors of this package are those of the function that reads.
type Error struct{ text string }

// Error is one line.
func (e *Error) Error() string { return e.text }

func errorf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Parts are a certificate and its private key as they were read, not yet parsed: Certificate and Key, or PKCS12.
// They print masked. The bytes stay the caller's; nothing here keeps or changes them.
type Parts struct {
	Certificate []byte // PEM: the client's, then the intermediates', then the root's
	Key         []byte // PEM
	PKCS12      []byte // a whole .p12 or .pfx file
	Password    string // of Key or PKCS12; "" where they aren't encrypted
}

const masked = "******"

// Format masks the parts wherever they are printed.
func (Parts) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// MarshalText masks the parts wherever they are encoded.
func (Parts) MarshalText() ([]byte, error) { return []byte(masked), nil }

// Parse returns the pair, ready for [tls.Config]; see the functions [Parse] and [ParsePKCS12].
func (p Parts) Parse() (*tls.Certificate, error) {
	found, err := p.parse()
	if err != nil {
		return nil, err
	}
	if err := found.checkDates(time.Now()); err != nil {
		return nil, err
	}
	return found.tls(), nil
}

func (p Parts) parse() (*pair, error) {
	switch {
	case len(p.PKCS12) == 0:
		return parsePEM(p.Certificate, p.Key, p.Password)
	case len(p.Certificate) > 0 || len(p.Key) > 0:
		return nil, errorf("there are both a PKCS#12 file and a certificate or private key in PEM: set one of them")
	default:
		return parsePKCS12(p.PKCS12, p.Password)
	}
}

// Parse reads a certificate and its private key in PEM. The text of the certificate holds the client's, then those of
// intermediates, then the root's, as far as they are needed: each must have issued the one before it. Both may be
// the same text. The password is that of an encrypted key, and does nothing for others.
//
// The result holds the chain in the order of the text, and Leaf is set. Don't print it: it holds the private key.
func Parse(certPEM, keyPEM []byte, password string) (*tls.Certificate, error) {
	return Parts{Certificate: certPEM, Key: keyPEM, Password: password}.Parse()
}

// ParsePKCS12 reads a PKCS#12 file (.p12, .pfx) with one private key, its certificate, and any others in any order. The
// result holds the chain from the client's certificate as far as the file has it; the second result is all
// certificates but the client's, in the order of the file: a program may trust them as the servers' authorities.
func ParsePKCS12(data []byte, password string) (*tls.Certificate, []*x509.Certificate, error) {
	found, err := parsePKCS12(data, password)
	if err != nil {
		return nil, nil, err
	}
	if err := found.checkDates(time.Now()); err != nil {
		return nil, nil, err
	}
	return found.tls(), found.others, nil
}

// A pair is a private key with its certificate, which are known to belong together. It isn't changed.
type pair struct {
	chain  []*x509.Certificate // the client's first; each is issued by the next
	others []*x509.Certificate // of a PKCS#12 file: all but the client's
	key    crypto.Signer
}

func parsePEM(certPEM, keyPEM []byte, password string) (*pair, error) {
	chain, err := certificates(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := privateKey(keyPEM, password)
	if err != nil {
		return nil, err
	}
	if err := checkOrder(chain, key.Public()); err != nil {
		return nil, err
	}
	return &pair{chain: chain, key: key}, nil
}

func (p *pair) tls() *tls.Certificate {
	c := &tls.Certificate{PrivateKey: p.key, Leaf: p.chain[0]}
	for _, cert := range p.chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}
