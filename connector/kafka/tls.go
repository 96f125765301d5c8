package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how connections to brokers are encrypted. Certificates are always verified; TLS 1.2 is the least.
type TLS struct {
	// Enabled encrypts connections.
	Enabled bool `yaml:"enabled" short:"true"`
	// CAFile holds the certificates, in PEM, that brokers' certificates must be signed by. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// ServerName is the name that brokers' certificates must have. Default: the host that is dialled.
	ServerName string `yaml:"server_name"`
	// CertFile is this client's certificate in PEM, for brokers that ask for one. It is read again at every connection.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the private key of cert_file, in PEM.
	KeyFile string `yaml:"key_file"`
}

// Validate checks the settings; no file is read.
func (t TLS) Validate() error {
	var errs []error
	if !t.Enabled && t != (TLS{}) {
		errs = append(errs, errors.New("tls: set tls.enabled, without it the other tls settings do nothing"))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file belong together"))
	}
	return errors.Join(errs...)
}

// config is nil where TLS is off.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}
