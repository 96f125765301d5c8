package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
)

const motoVersion = "5.2.5"

// motoPython returns the Python of a virtual environment that has moto; if it isn't in the cache, pip installs it.
func motoPython(ctx context.Context) (string, error) {
	// It is moved after it was made: its Python finds its own place, its scripts don't and aren't used.
	venv, err := cached("moto-"+motoVersion, func(dir string) (string, error) {
		venv := filepath.Join(dir, "venv")
		return venv, pipInstall(ctx, venv, "moto[server]=="+motoVersion)
	})
	if err != nil {
		return "", fmt.Errorf("install moto: %w", err)
	}
	return venvPython(venv), nil
}

func pipInstall(ctx context.Context, venv string, packages ...string) error {
	python, err := findVenv()
	if err != nil {
		return fmt.Errorf("%w (Debian: apt-get install python3 python3-venv)", err)
	}
	if err := output(exec.CommandContext(ctx, python, "-m", "venv", venv), "python3 -m venv"); err != nil {
		return err
	}
	args := append([]string{"-m", "pip", "install", "--quiet"}, packages...)
	return output(exec.CommandContext(ctx, venvPython(venv), args...), "pip install "+strings.Join(packages, " "))
}

func venvPython(venv string) string { return filepath.Join(venv, "bin", "python3") }

// findVenv takes the first Python, the PATH's or Debian's, that can make virtual environments, which is a package of its own in Debian.
func findVenv() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.Command(path, "-c", "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))").Run() == nil {
			return path, nil
		}
	}
	return "", errors.New("python 3.10 or newer with venv isn't installed")
}

// startMoto starts moto, which keeps nothing in dir but its log.
func startMoto(ctx context.Context, dir string) (*S3, error) {
	python, err := motoPython(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	endpoint := url.URL{Scheme: "http", Host: local(ports[0])}
	p := &Process{
		Name: "moto", Addr: endpoint.Host, Log: filepath.Join(dir, "moto.log"),
		argv:  []string{python, "-m", "moto.server", "-H", endpoint.Hostname(), "-p", endpoint.Port()},
		ready: "Running on",
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	moto := motoAt(endpoint.String())
	moto.Nodes = []*Process{p}
	return moto, nil
}

// motoAt is moto's S3: it takes any keys, but wants some.
func motoAt(endpoint string) *S3 {
	return &S3{Endpoint: endpoint, Region: s3Region, AccessKey: "millrace", SecretKey: "millrace"}
}
