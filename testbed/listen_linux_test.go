//go:build testbed

package testbed

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What the test bed starts can't be reached from elsewhere.
func TestLoopbackOnly(t *testing.T) {
	for name, nodes := range map[string][]*Process{
		"S3": StartS3(t).Nodes, "Redis": StartRedis(t).Nodes, "moto": started(t, startMoto).Nodes,
		"DynamoDB Local": StartDynamoDB(t).Nodes,
	} {
		addrs := listening(t, nodes[0].cmd.Process.Pid)
		if len(addrs) == 0 {
			t.Errorf("%s listens on nothing", name)
		}
		for _, a := range addrs {
			if !strings.HasPrefix(a, "0100007F:") { // 127.0.0.1, as the kernel writes it on the machines that CI has
				t.Errorf("%s listens on %s", name, a)
			}
		}
	}
}

// listening returns the addresses on which a process takes TCP connections: proc(5), /proc/net/tcp.
func listening(t *testing.T, pid int) (addrs []string) {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	sockets := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "fd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if target, err := os.Readlink(f); err == nil { // else it was closed in between
			sockets[target] = true
		}
	}
	const listen = "0A"
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(dir, "net", table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == listen && sockets["socket:["+f[9]+"]"] {
				addrs = append(addrs, f[1])
			}
		}
	}
	return addrs
}
