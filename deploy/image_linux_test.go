//go:build testbed

package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// most is the size that the image's root file system may have, unpacked.
const most = 40_000_000

// TestImageRuns builds the image's root file system without a container engine, and runs its binary there as the image's
// user, with a read-only root: in a user namespace, and as root if these are root's tests. It needs one or the other.
func TestImageRuns(t *testing.T) {
	var ways [][]string
	if os.Geteuid() == 0 {
		ways = append(ways, nil)
	}
	// Kernels and containers may keep user namespaces from everybody: then only root can do it.
	probe := exec.CommandContext(t.Context(), "true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := probe.Run(); err == nil || len(ways) == 0 {
		ways = append(ways, []string{"--userns"})
	}
	for _, way := range ways {
		got := rootfs(t, append(way, "--run", "--version", "1.2.3")...)
		t.Logf("%.2f MB unpacked, %.2f MB as tar and gzip", float64(got.Unpacked)/1e6, float64(got.Compressed)/1e6)
		if got.Unpacked >= most {
			t.Errorf("%d bytes unpacked, %d are allowed", got.Unpacked, most)
		}
		if len(got.Files) != 2 {
			t.Errorf("the files are %v", got.Files)
		}
		want := [][2]string{{"version", "millrace 1.2.3 "}, {"sinks", "redis_geo"}, {"validate", "1 connector, ok"}, {"validate", "1 connector, ok"}}
		if len(got.Runs) != len(want) {
			t.Fatalf("%d runs", len(got.Runs))
		}
		for i, run := range got.Runs {
			if run.Args[1] != want[i][0] || !strings.Contains(run.Output, want[i][1]) {
				t.Errorf("%q says %q, want %q", run.Args, run.Output, want[i][1])
			}
			if !strings.HasPrefix(run.Root, "as 65532:65532, root read-only") && !strings.HasPrefix(run.Root, "as 65532:65532, root owned by root") {
				t.Errorf("%q ran %q", run.Args, run.Root)
			}
		}
	}
}

// TestSinksLeftOut: a build tag leaves out a sink, its SDK and its bytes.
func TestSinksLeftOut(t *testing.T) {
	for _, test := range []struct {
		tags  string
		sinks []string
		sdk   string
	}{
		{"no_s3,no_eventbridge", []string{"s3", "eventbridge"}, "github.com/aws/aws-sdk-go-v2/service/s3"},
		{"no_redis_geo", []string{"redis_geo"}, "github.com/redis/go-redis"},
	} {
		t.Run(test.tags, func(t *testing.T) {
			if deps(t, test.tags, test.sdk) {
				t.Errorf("%s is still in it", test.sdk)
			}
			if !deps(t, "", test.sdk) {
				t.Errorf("%s isn't in a build without tags", test.sdk)
			}
			for _, run := range rootfs(t, "--run", "--tags", test.tags).Runs {
				left := func(sink string) bool { return strings.Contains(run.Output, sink) }
				if run.Args[1] == "sinks" && (slices.ContainsFunc(test.sinks, left) || !left("file")) {
					t.Errorf("the sinks are\n%s", run.Output)
				}
			}
		})
	}
}

// deps tells whether the command's packages include one below path.
func deps(t *testing.T, tags, path string) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", tags, "-deps", "../cmd/millrace").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), path)
}

type built struct {
	Files                []struct{ Path string }
	Unpacked, Compressed int64
	Runs                 []struct {
		Args         []string
		Root, Output string
	}
}

// rootfs runs the command of that name.
func rootfs(t *testing.T, args ...string) built {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rootfs")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./rootfs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, append(args, "--json")...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rootfs %q: %v\n%s", args, err, said.String())
	}
	var got built
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
