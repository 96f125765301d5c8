package testbed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml
var pom []byte

// CacheDir is where downloads are kept between runs: $MILLRACE_CACHE, else millrace-testbed in
// the user's cache folder ($XDG_CACHE_HOME or ~/.cache on Linux).
func CacheDir() (string, error) {
	if dir := os.Getenv("MILLRACE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for downloads: set MILLRACE_CACHE: %w", err)
	}
	return filepath.Join(dir, "millrace-testbed"), nil
}

// KafkaJars returns the folder with Kafka's jars; what isn't in the cache is fetched by Maven, about 56 MB.
func KafkaJars(ctx context.Context) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pom)
	jars := filepath.Join(cache, "kafka-"+hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(jars); err == nil {
		return jars, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("fetch Kafka: %w", err)
	}
	// Fetched beside its place and moved there whole: an interrupted fetch leaves
	// nothing that looks complete, and of two at the same time the first wins.
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch Kafka: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := copyDependencies(ctx, dir); err != nil {
		return "", fmt.Errorf("fetch Kafka: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, "jars"), jars); err != nil {
		if _, there := os.Stat(jars); there != nil {
			return "", fmt.Errorf("fetch Kafka: %w", err)
		}
	}
	return jars, nil
}

func copyDependencies(ctx context.Context, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("mvn isn't installed (Debian: apt-get install maven)")
	}
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return err
	}
	// -C: a jar whose checksum is wrong is an error.
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-C", "-f", file,
		"dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "jars"))
	Contain(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w:\n%s", err, out)
	}
	return nil
}
