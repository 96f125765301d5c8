package testbed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml
var pom []byte

// KafkaJars returns the folder with Kafka's jars; what isn't in the cache is fetched by Maven, about 56 MB.
func KafkaJars(ctx context.Context) (string, error) {
	jars, err := mavenJars(ctx, "kafka", pom)
	if err != nil {
		return "", fmt.Errorf("fetch Kafka: %w", err)
	}
	return jars, nil
}

// mavenJars returns the folder of the cache with the jars that a pom names.
func mavenJars(ctx context.Context, name string, pom []byte) (string, error) {
	return cached(name+"-"+version(pom), func(dir string) (string, error) {
		return filepath.Join(dir, "jars"), copyDependencies(ctx, dir, pom)
	})
}

func copyDependencies(ctx context.Context, dir string, pom []byte) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn isn't installed (Debian: apt-get install maven)")
	}
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return err
	}
	// -C: a jar whose checksum is wrong is an error.
	return output(exec.CommandContext(ctx, mvn, "-B", "-q", "-C", "-f", file,
		"dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "jars")), "mvn dependency:copy-dependencies")
}
