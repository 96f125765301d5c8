package keypair

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Authorities reads the certificates (PEM) of those that may sign a server's, from the file that a setting names. Without a path
// it is nil, which stands for those of the system.
func Authorities(setting, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM", setting, path)
	}
	return pool, nil
}
