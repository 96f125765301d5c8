package cgroup

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unlimited is where limits of version 1 begin that are none: the kernel shows "no limit" as the largest
// multiple of a page in 63 bits.
const unlimited = 1 << 62

// MemoryLimit is the most memory, in bytes, that the kernel lets this process and its cgroup have; false if there is no limit
// or it can't be told, as on systems other than Linux. It is the least of all limits from the process's cgroup up to
// the topmost that is to be seen: in a container that is the container's own.
func MemoryLimit() (bytes int64, ok bool) { return memoryLimit(os.DirFS("/")) }

func memoryLimit(root fs.FS) (limit int64, ok bool) {
	groups, err := readLines(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	mounts, err := readLines(root, "proc/self/mountinfo")
	if err != nil {
		return 0, false
	}
	for _, line := range groups {
		parts := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 {
			continue
		}
		kind, name := "cgroup2", "memory.max"
		if parts[1] != "" {
			kind, name = "cgroup", "memory.limit_in_bytes"
			if !listed(parts[1], "memory") {
				continue
			}
		}
		for _, m := range mounts {
			if dir, top, ok := hierarchy(m, kind, parts[2]); ok {
				limit = least(limit, climb(root, dir, top, name))
			}
		}
	}
	return limit, limit > 0
}

// hierarchy tells of a line of mountinfo whether it is the mount of a kind of hierarchy, and where the files of group are:
// dir, with top as the topmost folder above it. Some containers see a cgroup that their mount doesn't
// have; theirs is then the mount's topmost.
func hierarchy(line, kind, group string) (dir, top string, ok bool) {
	before, after, ok := strings.Cut(line, " - ") // ID PARENT DEVICE ROOT POINT OPTIONS... - TYPE SOURCE OPTIONS
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 || right[0] != kind {
		return "", "", false
	}
	if kind == "cgroup" && !listed(right[2], "memory") {
		return "", "", false
	}
	top = path.Clean(strings.TrimPrefix(left[4], "/"))
	below, found := strings.CutPrefix(group, strings.TrimSuffix(left[3], "/"))
	if !found || below != "" && !strings.HasPrefix(below, "/") {
		below = ""
	}
	return path.Join(top, path.Clean("/"+below)), top, true
}

// climb is the least limit of dir and the folders above it up to top; 0 if none has one.
func climb(root fs.FS, dir, top, name string) (limit int64) {
	for ; ; dir = path.Dir(dir) {
		if lines, err := readLines(root, path.Join(dir, name)); err == nil && len(lines) == 1 {
			n, err := strconv.ParseInt(lines[0], 10, 64) // "max" is none
			if err == nil && n > 0 && n < unlimited {
				limit = least(limit, n)
			}
		}
		if len(dir) <= len(top) {
			return limit
		}
	}
}

// least is the smaller of two limits, of which 0 is none.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func listed(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }

func readLines(root fs.FS, name string) ([]string, error) {
	data, err := fs.ReadFile(root, name)
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), err
}
