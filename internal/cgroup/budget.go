package cgroup

const (
	// beside is the memory that a process needs beside its byte budget: code, buffers of clients, garbage that isn't collected
	// yet. The kernel counts some 40 MiB more: with 12 partitions into Parquet files a process has less than 256 MiB (docs/benchmarks.md).
	beside = 76 << 20
	// room is what a container leaves beside the budget: beside, and what the process holds besides its heap.
	room = 128 << 20
	// least budget that is still worth running: four partitions' fetches.
	leastBudget = 32 << 20
)

// Sizes are the budget and the memory limit of Go's runtime, in bytes, for a container's limit (0 is none) and the budget that
// somebody asked for (0 is none). Without an own budget it is half of the container's limit, but leaves at least 128 MiB
// beside it, and is never less than 32 MiB. The runtime's limit is the budget and 76 MiB, and at most 85 % of the
// container's, because the kernel counts code, stacks and buffers of the network too.
func Sizes(container, asked, byDefault int64) (budget, runtime int64) {
	budget = asked
	if budget == 0 {
		budget = byDefault
		if container > 0 {
			budget = max(min(container/2, container-room), leastBudget)
		}
	}
	runtime = budget + beside
	if container > 0 {
		runtime = min(runtime, container/100*85)
	}
	return budget, runtime
}
