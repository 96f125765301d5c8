package keypair

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"time"
)

const order = "the client certificate comes first, then each certificate's issuer, the root last"

// checkOrder says which certificate stands where it shouldn't, or that the key is another one's.
func checkOrder(chain []*x509.Certificate, key crypto.PublicKey) error {
	owner := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return holds(c, key) })
	switch {
	case owner < 0:
		return errorf("private key doesn't belong to %s: the certificate was issued for another key", at(chain, 0))
	case owner > 0:
		return errorf("%s stands first in the text, and the private key belongs to %s: %s", at(chain, 0), at(chain, owner), order)
	}
	for i := 1; i < len(chain); i++ {
		if !issued(chain[i], chain[i-1]) {
			return misplaced(chain, i)
		}
	}
	return nil
}

// misplaced says why chain[i] can't follow the one before it.
func misplaced(chain []*x509.Certificate, i int) error {
	before := chain[i-1]
	first := slices.IndexFunc(chain, chain[i].Equal)
	issuer := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return issued(c, before) })
	switch {
	case first < i:
		return errorf("%s is the same as certificate %d: remove one of them", at(chain, i), first+1)
	case issuer == i-1:
		return errorf("%s follows %s, which is self-signed and so the last: %s", at(chain, i), at(chain, i-1), order)
	case issuer >= 0:
		return errorf("%s stands where %s should, the issuer of %s: %s", at(chain, i), at(chain, issuer), at(chain, i-1), order)
	case bytes.Equal(before.RawIssuer, chain[i].RawSubject):
		return errorf("%s has the name of the issuer of %s, but didn't sign it: it has another key, set the one that did", at(chain, i), at(chain, i-1))
	default:
		return errorf("%s isn't the issuer of %s, which is %s: put that one's certificate there, or end with certificate %d",
			at(chain, i), at(chain, i-1), quote(before.Issuer.String()), i)
	}
}

// issued reports whether the issuer signed the certificate. Where the signature is of a kind that isn't verified
// any more (MD5) or not known, the names decide. Whether the issuer is to be trusted is the server's to say.
func issued(issuer, c *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return false
	}
	err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure) || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

func holds(c *x509.Certificate, key crypto.PublicKey) bool {
	public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key)
}

// checkDates refuses a certificate that has expired or isn't valid yet. Self-signed ones behind the client's are
// left out: a server takes its own copy of the root.
func (p *pair) checkDates(now time.Time) error {
	for i, c := range p.chain {
		switch {
		case i > 0 && bytes.Equal(c.RawIssuer, c.RawSubject):
		case now.After(c.NotAfter):
			return errorf("%s expired on %s: renew it", at(p.chain, i), day(c.NotAfter))
		case now.Before(c.NotBefore):
			return errorf("%s isn't valid before %s, and now it is %s: is the clock right?", at(p.chain, i), day(c.NotBefore), day(now))
		}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// follow returns the chain of a certificate as far as its issuers are among others.
func follow(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for last := leaf; ; {
		i := slices.IndexFunc(others, func(c *x509.Certificate) bool { return !slices.ContainsFunc(chain, c.Equal) && issued(c, last) })
		if i < 0 || issued(last, last) {
			return chain
		}
		last = others[i]
		chain = append(chain, last)
	}
}

// at names a certificate by its place and its subject.
func at(chain []*x509.Certificate, i int) string {
	name := chain[i].Subject.String()
	if name == "" {
		name = "no subject, serial number " + chain[i].SerialNumber.String()
	}
	return "certificate " + strconv.Itoa(i+1) + " (" + quote(name) + ")"
}

// quote makes a name of a certificate fit for a line of a log.
func quote(name string) string {
	const most = 200 // bytes; names are as long as their authors like
	if len(name) > most {
		name = name[:most] + "..."
	}
	return strconv.Quote(name)
}
