package keypair_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/keypair"
)

func TestAuthorities(t *testing.T) {
	if pool, err := keypair.Authorities("tls.ca_file", "testdata/chain.pem"); err != nil || pool == nil {
		t.Error(pool, err)
	}
	if pool, err := keypair.Authorities("tls.ca_file", ""); err != nil || pool != nil {
		t.Error(pool, err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{empty: "tls.ca_file: " + empty + " holds no certificate in PEM", "testdata/none.pem": "tls.ca_file: open testdata/none.pem"} {
		if _, err := keypair.Authorities("tls.ca_file", path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
