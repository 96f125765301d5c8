package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// insideArg makes this program the one that goes into the root file system; see inside.
const insideArg = "-inside"

// Of <linux/prctl.h> and <linux/capability.h>.
const (
	prSetNoNewPrivs   = 38
	prCapAmbient      = 47
	prAmbientClearAll = 4
	capSysChroot      = 18
	capSysAdmin       = 21
)

// A ran is a command that was run in the root file system, without an error.
type ran struct {
	Args   []string `json:"args"`
	Root   string   `json:"root"` // how its root was kept from being written to
	Output string   `json:"output"`
}

// example is a file that needs no service to be checked.
const example = "examples/gps-to-files/millrace.yaml"

// tryOut runs the image's binary as the image's user: what it says of itself, and a check of a file that is mounted
// where the chart mounts it. dir gets that file as well, after it was measured.
func tryOut(ctx context.Context, dir, repo string, r *rootfs, userns bool) ([]ran, error) {
	uid, gid, err := ids(r.User)
	if err != nil {
		return nil, err
	}
	connector := filepath.Join(dir, "etc", "millrace", "connector.yaml")
	if err := os.MkdirAll(filepath.Dir(connector), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(connector, []byte(probe), 0o644); err != nil {
		return nil, err
	}
	if err := copyFile(filepath.Join(repo, example), filepath.Join(filepath.Dir(connector), "example.yaml"), 0o644); err != nil {
		return nil, err
	}
	var all []ran
	for _, args := range [][]string{
		{"version"}, {"sinks"}, {"validate", "/etc/millrace/connector.yaml"}, {"validate", "/etc/millrace/example.yaml"},
	} {
		argv := append(append([]string(nil), r.Entrypoint...), args...)
		out, err := enter(ctx, dir, uid, gid, argv, userns)
		if err != nil {
			return nil, fmt.Errorf("run %s in the root file system: %w\n%s", strings.Join(argv, " "), err, out)
		}
		root, said, _ := strings.Cut(string(out), "\n")
		all = append(all, ran{argv, root, said})
	}
	return all, nil
}

// probe is valid only if the binary knows a time zone that isn't UTC.
const probe = `name: probe
source: {kafka: {brokers: "kafka.example.com:9092", topics: [probe]}}
sink: {file: {dir: /data, path: "{topic}/{time:yyyy-MM-dd}/{topic}+{partition}+{position}", time: {zone: Europe/Berlin}}}
`

func ids(user string) (uid, gid int, err error) {
	u, g, ok := strings.Cut(user, ":")
	if ok {
		uid, err = strconv.Atoi(u)
	}
	if ok && err == nil {
		gid, err = strconv.Atoi(g)
	}
	if !ok || err != nil || uid == 0 || gid == 0 {
		return 0, 0, fmt.Errorf("USER %s isn't two numbers above 0", user)
	}
	return uid, gid, nil
}

// enter runs argv with dir as its root, as the user. As root it needs the right to mount only to make the root read-only;
// anybody else needs user namespaces, in which the user is the one who runs this program.
func enter(ctx context.Context, dir string, uid, gid int, argv []string, userns bool) ([]byte, error) {
	userns = userns || os.Geteuid() != 0
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if userns {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{capSysAdmin, capSysChroot}
	}
	out, err := start(ctx, attr, dir, uid, gid, argv)
	if !errors.Is(err, fs.ErrPermission) {
		return out, err
	}
	if userns {
		return nil, fmt.Errorf("%w: run this as root, or let everybody make user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)", err)
	}
	return start(ctx, nil, dir, uid, gid, argv)
}

func start(ctx context.Context, attr *syscall.SysProcAttr, dir string, uid, gid int, argv []string) ([]byte, error) {
	mounts := strconv.FormatBool(attr != nil)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{insideArg, mounts, dir, strconv.Itoa(uid), strconv.Itoa(gid)}, argv...)...)
	cmd.SysProcAttr = attr
	cmd.Env = []string{} // a container's is as bare
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.Bytes(), err
}

// inside turns this process into the image's: a read-only root, the user, no rights, no environment. It says how its
// root is kept from being written to, and checks what the image must have besides the binary.
func inside(args []string) error {
	if len(args) < 5 {
		return errors.New("no command")
	}
	mounts, dir, argv := args[0] == "true", args[1], args[4:]
	uid, gid, err := ids(args[2] + ":" + args[3])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // rights are a thread's; the one that gives them up is the one that becomes the binary
	if mounts {
		if err := readOnly(dir); err != nil {
			return err
		}
	}
	if err := syscall.Chroot(dir); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := syscall.Chdir("/"); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	if os.Getuid() != uid {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
			return fmt.Errorf("become %d:%d: %w", uid, gid, err)
		}
	}
	if err := errors.Join(prctl(prCapAmbient, prAmbientClearAll), prctl(prSetNoNewPrivs, 1)); err != nil {
		return fmt.Errorf("give up rights: %w", err)
	}
	if err := checkRoot(uid); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", argv[0], syscall.Exec(argv[0], argv, nil))
}

// readOnly mounts dir over itself, for this process alone.
func readOnly(dir string) error {
	const only = syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if err := syscall.Mount("", dir, "", only, ""); err != nil {
		return fmt.Errorf("mount %s read-only: %w", dir, err)
	}
	return nil
}

// checkRoot looks around in the image: as which user, whether it can write, whether Go finds CA certificates.
func checkRoot(uid int) error {
	how := "read-only"
	switch err := os.WriteFile("/written", nil, 0o600); {
	case err == nil:
		return errors.New("the root can be written to")
	case !errors.Is(err, syscall.EROFS):
		how = "owned by root" // this machine doesn't let root mount
	}
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		return fmt.Errorf("no CA certificates: %w", err)
	}
	if got := os.Getuid(); got != uid || os.Geteuid() != uid {
		return fmt.Errorf("this is user %d, not %d", got, uid)
	}
	_, err = fmt.Fprintf(os.Stdout, "as %d:%d, root %s, CA certificates found\n", uid, os.Getgid(), how)
	return err
}

func prctl(option, value uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("prctl %d: %w", option, errno)
	}
	return nil
}
