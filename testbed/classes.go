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
	"path"
	"path/filepath"
)

// version is part of the name of what is made from such bytes: others make another folder of the cache.
func version(parts ...[]byte) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write(p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:4])
}

// javaClasses returns the folder of the cache with the classes of folder/*.java beside all files of the folder; javac makes
// them if they aren't there. The pom has named the jars that they need.
func javaClasses(ctx context.Context, sources embed.FS, folder, jars string, pom []byte) (string, error) {
	files, err := fs.Glob(sources, folder+"/*")
	if err != nil {
		return "", err
	}
	parts := [][]byte{pom}
	var programs []string
	for _, f := range files {
		text, err := sources.ReadFile(f)
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
		if path.Ext(f) == ".java" {
			programs = append(programs, f)
		}
	}
	return cached(folder+"-"+version(parts...), func(dir string) (string, error) {
		return filepath.Join(dir, folder), compile(ctx, dir, sources, folder, jars, programs)
	})
}

func compile(ctx context.Context, dir string, sources embed.FS, folder, jars string, programs []string) error {
	javac, err := findJava("javac")
	if err != nil {
		return fmt.Errorf("%w (Debian: apt-get install default-jdk-headless)", err)
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}
	args := []string{"--release", "17", "-cp", filepath.Join(jars, "*"), "-d", folder}
	cmd := exec.CommandContext(ctx, javac, append(args, programs...)...)
	cmd.Dir = dir
	return output(cmd, "javac")
}
