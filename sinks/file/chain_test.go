package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

func TestOpenChain(t *testing.T) {
	c := DefaultConfig()
	c.Dir, c.Path, c.Chain = t.TempDir(), "telemetry/{topic}/x-{position}", "v2"
	p, err := c.OpenChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if p.Name != c.Dir || p.Prefix != "telemetry" || p.Chain != "v2" || p.Unique || p.Data != "telemetry/" {
		t.Errorf("%+v", p)
	}
	if names, err := os.ReadDir(c.Dir); err != nil || len(names) > 0 {
		t.Errorf("opening created %v %v", names, err)
	}
	store := p.Store.(*place)
	if found, err := store.Uploads(t.Context(), "telemetry/_millrace/v2/"); err != nil || len(found) > 0 {
		t.Errorf("%v %v", found, err)
	}
	for _, key := range []string{"nothing", "telemetry", "telemetry/x"} {
		if _, err := store.Stat(t.Context(), key); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("%s: %v", key, err)
		}
		if _, err := store.Open(t.Context(), key); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "telemetry", "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "telemetry", "x"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(t.Context(), "telemetry/folder"); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("a folder: %v", err)
	}
	stat, err := store.Stat(t.Context(), "telemetry/x")
	if err != nil || stat != (chain.Stat{Size: 3}) {
		t.Errorf("%+v %v", stat, err)
	}
	f, err := store.Open(t.Context(), "telemetry/x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if body, err := io.ReadAll(f); err != nil || string(body) != "abc" {
		t.Errorf("%q %v", body, err)
	}
	c.Dir = filepath.Join(c.Dir, "none")
	if _, err := c.OpenChain(t.Context()); err == nil {
		t.Error("a folder that isn't there")
	}
	c.Dir = ""
	if _, err := c.OpenChain(t.Context()); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("%v", err)
	}
}
