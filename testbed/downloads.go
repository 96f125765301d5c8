package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

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

// A Download is a service's program, fetched or built once and kept in CacheDir.
type Download struct {
	Name string
	Cost string // of the first time, for people
	Get  func(context.Context) (path string, err error)
}

// Downloads are the programs that no package of Debian has. What is compiled by javac needs jars, which are fetched before.
func Downloads() []Download {
	return []Download{
		{"Kafka 4.3.1", "56 MB from Maven Central", KafkaJars},
		{"versitygw " + gatewayVersion, "2 to 8 minutes to compile", S3Gateway},
		{"moto " + motoVersion, "320 MB from PyPI", motoPython},
		{"pyarrow, DuckDB, fastavro", "280 MB from PyPI", readersPython},
		{"Kafka's IAM plug-in", "seconds to compile", IAMPlugin},
		{"AWS's Glue serde 1.1.27", "43 MB from Maven Central", GlueJars},
		{"The Glue round trip in Java", "seconds to compile", GlueClasses},
		{"DynamoDB Local 2.6.1", "36 MB from Maven Central", DynamoDBJars},
		{"DynamoDB Local's launcher", "seconds to compile", DynamoDBClasses},
		{"helm " + helmVersion, "2 to 3 minutes to compile", Helm},
		{"kubeconform " + kubeconform, "seconds to compile", Kubeconform},
	}
}

// cached returns the path of a file or folder of CacheDir, which make makes if it isn't there: in a
// folder of its own from which it is moved to its place whole. So an interrupted make leaves nothing that looks
// complete, and of two at the same time the first wins. make returns where in dir it is.
func cached(name string, make func(dir string) (string, error)) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	made, err := make(dir)
	if err != nil {
		return "", err
	}
	if err := os.Rename(made, path); err != nil {
		if _, there := os.Stat(path); there != nil {
			return "", err
		}
	}
	return path, nil
}

// output runs cmd contained. Its error holds what cmd printed.
func output(cmd *exec.Cmd, what string) error {
	Contain(cmd)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w:\n%s", what, err, said)
	}
	return nil
}
