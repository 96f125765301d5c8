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
	// Enabled encrypts connections. Every method of auth but none does so by itself.
	Enabled bool `yaml:"enabled" short:"true"`
	// CAFile holds the certificates, in PEM, that brokers' certificates must be signed by. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// ServerName is the name that brokers' certificates must have. Default: the host that is dialled.
	ServerName string `yaml:"server_name"`
}

// validate checks the settings; no file is read.
func (t TLS) validate(encrypted bool) error {
	if !encrypted && t != (TLS{}) {
		return errors.New("tls: set tls.enabled, without it the other tls settings do nothing")
	}
	return nil
}

func (t TLS) config() (*tls.Config, error) {
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
	return c, nil
}
