package endpoint_test

import (
	"testing"

	"github.com/millrace/millrace/internal/endpoint"
)

// A setting can't send calls to where credentials are served.
func TestEndpointsOfCredentials(t *testing.T) {
	for url, refused := range map[string]bool{
		"http://169.254.169.254":          true,
		"http://169.254.170.23/v1":        true,
		"http://[fd00:ec2::254]":          true,
		"http://[fe80::1]:80":             true,
		"http://[::ffff:169.254.169.254]": true,
		"http://127.0.0.1:9000":           false,
		"http://10.0.0.1":                 false,
		"https://s3.example.com":          false,
		"":                                false,
		"https://id:hush@s3.example.com":  true,
		"https://s3.example.com?a=b":      true,
		"ftp://s3.example.com":            true,
	} {
		if err := endpoint.Check("endpoint", url, "user and password"); (err != nil) != refused {
			t.Errorf("%q: %v", url, err)
		}
	}
}
