package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/keypair"
)

// MTLS is the settings of mutual TLS: cert_file, pkcs12_file or certificate. They are read at every connection, so that
// a renewed certificate needs no restart; while what is read can't be used, the one before stays in use until it expires.
type MTLS struct {
	// File with this client's certificate in PEM, followed by those of intermediate authorities.
	CertFile string `yaml:"cert_file"`
	// File with the private key of cert_file in PEM. Empty: cert_file holds it too.
	KeyFile string `yaml:"key_file"`
	// Password of the private key, or of pkcs12_file, if it has one.
	KeyPassword secret.Text `yaml:"key_password"`
	// PKCS#12 file (.p12, .pfx) with certificate and private key.
	PKCS12File string `yaml:"pkcs12_file"`
	// Certificate and private key in one text, {"certificate": "...", "privateKey": "...", "privateKeyPassword": "..."}, as AWS Lambda takes
	// them from a secret.
	Certificate secret.Text `yaml:"certificate"`
}

func (m *MTLS) validate() error {
	n := 0
	for _, set := range []bool{m.CertFile != "", m.PKCS12File != "", m.Certificate.IsSet()} {
		if set {
			n++
		}
	}
	switch {
	case n == 0:
		return errors.New("one of cert_file, pkcs12_file and certificate is needed")
	case n > 1:
		return errors.New("cert_file, pkcs12_file and certificate exclude each other")
	case m.KeyFile != "" && m.CertFile == "":
		return errors.New("key_file needs cert_file")
	case m.KeyPassword.IsSet() && m.Certificate.IsSet():
		return errors.New("key_password belongs to files: certificate holds its own as privateKeyPassword")
	}
	return nil
}

func (m *MTLS) method(context.Context, string) (method, error) {
	c := &clientCertificate{
		MTLS:     m,
		password: &credential{name: "auth.mtls.key_password", text: m.KeyPassword},
		secret:   &credential{name: "auth.mtls.certificate", text: m.Certificate},
	}
	c.reloader = keypair.NewReloader(c.read, func(e keypair.Event) {
		if warn := c.warn.Load(); e.Problem != nil && warn != nil {
			(*warn)(fmt.Errorf("%s: the certificate that was read last can't be used: the one before stays in use until %s: %w",
				c.setting(), e.Certificate.NotAfter.UTC().Format("2006-01-02T15:04:05Z"), e.Problem))
		}
	})
	return c, nil
}

// A clientCertificate authenticates by TLS.
type clientCertificate struct {
	*MTLS
	password, secret *credential
	reloader         *keypair.Reloader
	warn             atomic.Pointer[func(error)] // told of a renewal that failed
	subject          atomic.Pointer[string]
	asked            atomic.Bool // a broker has asked for it
}

func (c *clientCertificate) setting() string {
	switch {
	case c.CertFile != "":
		return "auth.mtls.cert_file"
	case c.PKCS12File != "":
		return "auth.mtls.pkcs12_file"
	}
	return "auth.mtls.certificate"
}

func (c *clientCertificate) read(ctx context.Context) (p keypair.Parts, err error) {
	if c.Certificate.IsSet() {
		text, err := c.secret.read(ctx)
		if err != nil {
			return p, err
		}
		return keypair.DecodeSecret(text)
	}
	if p.Password, err = c.password.read(ctx); err != nil {
		return p, err
	}
	if c.PKCS12File != "" {
		p.PKCS12, err = os.ReadFile(c.PKCS12File)
		return p, err
	}
	if p.Certificate, err = os.ReadFile(c.CertFile); err != nil {
		return p, err
	}
	if p.Key = p.Certificate; c.KeyFile != "" {
		p.Key, err = os.ReadFile(c.KeyFile)
	}
	return p, err
}

func (c *clientCertificate) certificate(ctx context.Context) (*tls.Certificate, error) {
	pair, err := c.reloader.Certificate(ctx)
	if err != nil {
		return nil, &localError{fmt.Errorf("%s: %w", c.setting(), err)}
	}
	subject := pair.Leaf.Subject.String()
	c.subject.Store(&subject)
	return pair, nil
}

// hand is for tls.Config.GetClientCertificate.
func (c *clientCertificate) hand(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.asked.Store(true)
	return c.certificate(info.Context())
}

func (c *clientCertificate) ready(ctx context.Context) error {
	_, err := c.certificate(ctx)
	return err
}

func (c *clientCertificate) mechanism() sasl.Mechanism { return nil }
func (c *clientCertificate) close()                    {}

func (c *clientCertificate) refused() {
	c.password.refused()
	c.secret.refused()
}

func (c *clientCertificate) principal() string {
	if subject := c.subject.Load(); subject != nil {
		return "User:" + *subject
	}
	return ""
}

func (c *clientCertificate) advice() string {
	if !c.asked.Load() {
		return "the brokers haven't asked for the client certificate: turn mutual TLS on in the cluster, and check the port in brokers"
	}
	return "the brokers don't trust the client certificate: it must be signed by an authority that they know, and be valid now: check " + c.setting()
}
