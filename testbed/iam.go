package testbed

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// What gives a broker the mechanism AWS_MSK_IAM, which only MSK has.
//
//go:embed iam/*.java
var iamSources embed.FS

// IAMPlugin returns the folder with the classes of the broker's SASL plug-in; javac makes it if it isn't in the cache.
func IAMPlugin(ctx context.Context) (string, error) {
	jars, err := KafkaJars(ctx)
	if err != nil {
		return "", err
	}
	files, err := fs.Glob(iamSources, "iam/*.java")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(pom)
	for _, f := range files {
		text, err := iamSources.ReadFile(f)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	classes, err := cached("iam-"+hex.EncodeToString(sum.Sum(nil)[:4]), func(dir string) (string, error) {
		return filepath.Join(dir, "classes"), compile(ctx, dir, jars, files)
	})
	if err != nil {
		return "", fmt.Errorf("compile the broker's IAM plug-in: %w", err)
	}
	return classes, nil
}

func compile(ctx context.Context, dir, jars string, files []string) error {
	javac, err := findJava("javac")
	if err != nil {
		return fmt.Errorf("%w (Debian: apt-get install default-jdk-headless)", err)
	}
	if err := os.CopyFS(dir, iamSources); err != nil {
		return err
	}
	args := []string{"--release", "17", "-cp", filepath.Join(jars, "*"), "-d", "classes"}
	cmd := exec.CommandContext(ctx, javac, append(args, files...)...)
	cmd.Dir = dir
	return output(cmd, "javac")
}
