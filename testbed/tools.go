package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A Tool is a program that the test bed needs.
type Tool struct {
	Name     string
	Packages []string // of Debian
	Why      string
	find     func() (string, error)
}

// Path is where the program is. The error says what is missing.
func (t Tool) Path() (string, error) { return t.find() }

// Tools are the programs that the test bed needs besides Go.
func Tools() []Tool {
	return []Tool{
		{"java", []string{"default-jdk-headless"}, "runs Kafka, AWS's serde (Java 17+)", java("java")},
		{"javac", []string{"default-jdk-headless"}, "compiles what they run", java("javac")},
		{"mvn", []string{"maven"}, "fetches their jars", inPath("mvn")},
		{"openssl", []string{"openssl"}, "encrypts private keys", inPath("openssl")},
		{"redis-server", []string{"redis-server"}, "the Redis services", inPath("redis-server")},
		{"python3", []string{"python3", "python3-venv"}, "moto (Python 3.10 or newer)", findVenv},
		{"gcc", []string{"gcc", "libc6-dev"}, "go test -race", findCompiler},
	}
}

// Missing are the tools that aren't there.
func Missing() []Tool {
	var missing []Tool
	for _, t := range Tools() {
		if _, err := t.Path(); err != nil {
			missing = append(missing, t)
		}
	}
	return missing
}

// Install installs tools with Debian's apt-get, as root or by sudo, which may ask for a password on a terminal.
func Install(ctx context.Context, tools []Tool) error {
	var packages []string
	for _, t := range tools {
		packages = append(packages, t.Packages...)
	}
	what := "apt-get install " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this isn't Debian (no apt-get): install by hand what Debian calls %s", strings.Join(packages, ", "))
	}
	var sudo []string
	if os.Geteuid() != 0 {
		if _, err := exec.LookPath("sudo"); err != nil {
			return fmt.Errorf("neither root nor sudo: run as root: %s", what)
		}
		sudo = []string{"sudo"}
		if info, err := os.Stdin.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
			sudo = append(sudo, "-n") // nobody could type a password
		}
	}
	// RUNLEVEL=1 keeps Debian's scripts from starting a Redis of their own, where init isn't systemd.
	env := []string{"env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"}
	for _, args := range [][]string{
		{"apt-get", "update", "-q"},
		append([]string{"apt-get", "install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		argv := append(append(append([]string(nil), sudo...), env...), args...)
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stdin = os.Stdin
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w:\n%s", what, err, bytes.TrimSpace(said))
		}
	}
	for _, t := range tools {
		if _, err := t.Path(); err != nil {
			return fmt.Errorf("after %s: %w", what, err)
		}
	}
	return nil
}

func inPath(name string) func() (string, error) {
	return func() (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s isn't installed", name)
		}
		return path, nil
	}
}

// What they print: openjdk version "17.0.15" 2025-04-15, javac 17.0.15.
var javaVersion = regexp.MustCompile(`(?:version "|javac )(\d+)`)

func java(program string) func() (string, error) {
	return func() (string, error) { return findJava(program) }
}

// findJava takes the first java, or javac, that is new enough for Kafka 4: JAVA_HOME's, the PATH's, another that Debian holds.
func findJava(program string) (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", program))
	}
	if path, err := exec.LookPath(program); err == nil {
		candidates = append(candidates, path)
	}
	others, _ := filepath.Glob("/usr/lib/jvm/*/bin/" + program) // the pattern is well-formed
	old := ""
	for _, path := range append(candidates, others...) {
		out, err := exec.Command(path, "-version").CombinedOutput()
		m := javaVersion.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		if major, _ := strconv.Atoi(string(m[1])); major >= 17 {
			return path, nil
		}
		old = fmt.Sprintf(" (%s is Java %s)", path, m[1])
	}
	return "", fmt.Errorf("%s 17 or newer isn't installed%s", program, old)
}

// findCompiler takes cc only if it finds the C library's headers.
func findCompiler() (string, error) {
	path, err := exec.LookPath("gcc")
	if err != nil {
		return "", errors.New("gcc isn't installed")
	}
	out, err := exec.Command(path, "-fsyntax-only", "-include", "stdlib.h", "-xc", os.DevNull).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc lacks the C library's headers: %s", bytes.TrimSpace(out))
	}
	return path, nil
}
