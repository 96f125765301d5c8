package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

func openFolder(t testing.TB, dir string, d disk) *store {
	t.Helper()
	s, err := openStore(t.Context(), dir, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	chaintest.Run(t, chaintest.Harness{
		Forgets: true,
		Open: func(t testing.TB) chaintest.Place {
			dir := t.TempDir()
			return chaintest.Place{
				Open: func(t testing.TB) chain.Store { return openFolder(t, dir, systemDisk{}) },
				Read: func(key string) ([]byte, bool, error) {
					body, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(key)))
					if errors.Is(err, fs.ErrNotExist) {
						return nil, false, nil
					}
					return body, err == nil, err
				},
			}
		},
	})
}
