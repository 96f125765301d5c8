package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	gatewayModule  = "github.com/versity/versitygw/cmd/versitygw"
	gatewayVersion = "v1.8.0"
)

// S3Gateway returns the path of versitygw, an S3 server that keeps its objects in a folder and is as
// strict as S3 where Millrace depends on it. It is compiled if it isn't in the cache, which takes minutes.
func S3Gateway(ctx context.Context) (string, error) {
	path, err := cached("versitygw-"+gatewayVersion, func(dir string) (string, error) {
		return filepath.Join(dir, "versitygw"), goInstall(ctx, dir, gatewayModule+"@"+gatewayVersion)
	})
	if err != nil {
		return "", fmt.Errorf("build versitygw: %w", err)
	}
	return path, nil
}

// goInstall puts a program into dir. It works in dir too, out of sight of this module's go.mod.
func goInstall(ctx context.Context, dir, program string) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command isn't in the PATH")
	}
	cmd := exec.CommandContext(ctx, tool, "install", program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	return output(cmd, "go install "+program)
}
