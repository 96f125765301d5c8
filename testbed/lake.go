package testbed

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readerPackages are the programs that judge files: others' readers.
var readerPackages = []string{"pyarrow==26.0.1", "duckdb==2.0.0", "fastavro==1.13.1", "tzdata==2025.2", "pytz==2025.2"}

// readersProgram runs them.
//
//go:embed lake/readers.py
var readersProgram string

// readersPython returns the Python of a virtual environment that has them; if it isn't in the cache, pip installs it (280 MB, once).
func readersPython(ctx context.Context) (string, error) {
	venv, err := cached("readers-"+version([]byte(strings.Join(readerPackages, " "))), func(dir string) (string, error) {
		venv := filepath.Join(dir, "venv")
		return venv, pipInstall(ctx, venv, readerPackages...)
	})
	if err != nil {
		return "", fmt.Errorf("install pyarrow, DuckDB and fastavro: %w", err)
	}
	return venvPython(venv), nil
}

// ReadLake runs lake/readers.py, which reads files by pyarrow, DuckDB and fastavro, and decodes what it prints into out. ok is false where
// it found rows that are wrong.
func ReadLake(t testing.TB, out any, args ...string) (ok bool) {
	t.Helper()
	python, err := readersPython(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", readersProgram}, args...)...)
	var said, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaints
	err = cmd.Run()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || said.Len() == 0) {
		t.Fatalf("readers.py %v: %v\n%s", args, err, complaints.Bytes())
	}
	if bad := json.Unmarshal(said.Bytes(), out); bad != nil {
		t.Fatalf("readers.py %v: %v: %s\n%s", args, bad, said.Bytes(), complaints.Bytes())
	}
	return err == nil
}
