package cgroup

import (
	"testing"
	"testing/fstest"
)

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "35 23 0:30 /kubepods/pod1/c1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
)

func TestMemoryLimit(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"not Linux", nil, 0},
		{"a container, version 2", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max": "268435456\n",
		}, 268435456},
		{"no limit, version 2", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max": "max\n",
		}, 0},
		{"a limit above the process's own cgroup", map[string]string{
			"proc/self/cgroup": "0::/kubepods/pod1/c1\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/kubepods/pod1/c1/memory.max": "max\n", "sys/fs/cgroup/kubepods/pod1/memory.max": "1000\n",
			"sys/fs/cgroup/kubepods/memory.max": "5000\n",
		}, 1000},
		{"the least of several", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/memory.max": "3000\n", "sys/fs/cgroup/a/memory.max": "2000\n", "sys/fs/cgroup/memory.max": "4000\n",
		}, 2000},
		{"a container, version 1", map[string]string{
			"proc/self/cgroup":    "5:cpu,cpuacct:/kubepods/pod1/c1\n4:memory:/kubepods/pod1/c1\n",
			"proc/self/mountinfo": v1Mount, "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
		}, 536870912},
		{"no limit, version 1", map[string]string{
			"proc/self/cgroup": "4:memory:/kubepods/pod1/c1\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		{"version 1 without the host's path", map[string]string{
			"proc/self/cgroup": "4:memory:/docker/abc\n", "proc/self/mountinfo": v1Mount, "sys/fs/cgroup/memory/memory.limit_in_bytes": "700\n",
		}, 700},
		{"both versions, memory in the first", map[string]string{
			"proc/self/cgroup": "4:memory:/kubepods/pod1/c1\n0::/\n", "proc/self/mountinfo": v2Mount + v1Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "900\n",
		}, 900},
		{"another controller's mount", map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "proc/self/mountinfo": "36 23 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			"sys/fs/cgroup/cpu/memory.limit_in_bytes": "900\n",
		}, 0},
		{"nonsense", map[string]string{"proc/self/cgroup": "x\n\n0::\n", "proc/self/mountinfo": "x\n - \n", "memory.max": "1\n"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, ok := memoryLimit(root)
			if got != test.want || ok != (test.want > 0) {
				t.Errorf("%d %v, want %d", got, ok, test.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name                  string
		container, asked      int64
		wantBudget, wantLimit int64
	}{
		{"no container", 0, 0, 128, 204},
		{"no container, own budget", 0, 300, 300, 376},
		{"256 MiB, the chart's", 256, 0, 128, 204},
		{"512 MiB", 512, 0, 256, 332},
		{"2 GiB", 2048, 0, 1024, 1100},
		{"192 MiB", 192, 0, 64, 140},
		{"128 MiB", 128, 0, 32, 108},
		{"64 MiB", 64, 0, 32, 54},
		{"own budget in a large container", 1024, 64, 64, 140},
		{"own budget that hardly fits", 256, 200, 200, 217},
	} {
		budget, limit := Sizes(test.container*mib, test.asked*mib, 128*mib)
		if budget != test.wantBudget*mib || limit/mib != test.wantLimit {
			t.Errorf("%s: budget %d MiB, limit %d MiB, want %d and %d", test.name, budget/mib, limit/mib, test.wantBudget, test.wantLimit)
		}
	}
}

// The kernel's own files, whatever they say here.
func TestMemoryLimitOfThisProcess(t *testing.T) {
	if n, ok := MemoryLimit(); ok != (n > 0) {
		t.Errorf("%d %v", n, ok)
	} else {
		t.Logf("limit %d MiB", n>>20)
	}
}
