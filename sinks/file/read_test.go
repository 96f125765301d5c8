package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

func TestReadRange(t *testing.T) {
	c := DefaultConfig()
	c.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.Dir, "o"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := c.OpenChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	store := p.Store.(*place)
	b := make([]byte, 4)
	if err := store.ReadRange(t.Context(), "o", b, 6); err != nil || string(b) != "6789" {
		t.Errorf("%q %v", b, err)
	}
	if err := store.ReadRange(t.Context(), "o", b, 7); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	for _, key := range []string{"nothing", "o/x", "../o"} {
		if err := store.ReadRange(t.Context(), key, b, 0); err == nil || key != "../o" && !errors.Is(err, chain.ErrMissing) {
			t.Error(key, err)
		}
	}
}
