package kafka

import (
	"crypto/tls"
	"errors"

	"github.com/millrace/millrace/internal/keypair"
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
	var err error
	if c.RootCAs, err = keypair.Authorities("tls.ca_file", t.CAFile); err != nil {
		return nil, err
	}
	return c, nil
}
