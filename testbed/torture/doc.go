// Package torture counts what Millrace loses. Processes of it move records from one topic into all sinks at once while something
// breaks: they are killed or paused, the group rebalances, brokers die, the network fails, sinks refuse, answer in part or not at all.
// Then an oracle, the topic read once more, says for each sink how many records were lost, duplicated, corrupted or reordered, and a
// watcher how often an offset that was committed moved back.
//
// The oracle is plain Go, with tests that show that it can fail; the faults are tests with the build tag testbed. MILLRACE_N makes them
// longer, MILLRACE_SEED repeats their moments, and MILLRACE_TORTURE_OUT names a file for their results, one line of JSON for each
// sink of each fault:
//
//	make torture N=200 FAULT=Kills
package torture
