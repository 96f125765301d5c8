// Command simulate drives the machines of package chain, as they are, through what real processes and stores do to them: crashes at every
// call, lost replies, calls that arrive late (also after their sender died), zombies, two owners at once, expired uploads, trimmed logs,
// moved group offsets, changed settings. It says whether any row was lost, repeated, out of order or stuck.
//
//	go run ./internal/chain/simulate --runs 100000 --seed 1   random runs; each is decided by its seed
//	go run ./internal/chain/simulate --seed 77 --runs 1 -v    one of them, step by step
//	go run ./internal/chain/simulate --faults --runs 2000     seed each fault, and print what showed it
//	go run ./internal/chain/simulate --exhaustive all         every state that small cases can reach
//
// # The world
//
// A world (world.go) is one partition's log, a store with S3's documented semantics, the group's offset and a dead letter. A put creates, or finds the key
// taken; reads see every write; uploads can't be seen until they are completed; a Complete that is repeated answers that all is well, or that there is no such upload.
// What is sent may be applied and answered, applied and not answered, not applied, or applied later. Two or three processes (process.go, drive.go) run without a fence.
// A process is as little of connector and staging as the protocol needs: it recovers, reads, adds rows to one open file for each path, stages, buries, extends, commits,
// follows a lost race by a full reset, mends, passes over gaps, seals, cleans; an operator's rewind is a process too.
//
// A random run (random.go) draws its log, its processes and how often things go wrong, and lets them go on for up to 260 steps. Then one
// process alone has to finish while the others stand still, in the middle of whatever they do; the others go on; and another alone has to finish.
//
// # The judge
//
// The oracle (judge, in check.go) compares the rows of visible objects with the log: each row as often as the chain's root and rewinds ask for, less its gaps; in order for each path;
// buried records in the dead letter; the chain's end at the log's end. While a run goes on, these are watched, in the words of docs/chain.md:
//
//	I1 a link begins where the one before ends, and none is put twice
//	I2 a link is put only when the one before is finished
//	I3 what a link names is visible or can be completed: nobody aborts it
//	I4 a visible object is named by exactly one link; nothing else is completed, and what is written again has the same rows
//	I5 a link's rows and counts are those of its range, once each, in order and in their paths; a gap is gone from Kafka
//	I6 what a link counts as buried is in the dead letter
//	I7 an offset that is committed is the end of a finished link
//	I8 an upload is named only by the link it was begun for
//	I9 a body that was sent never changes
//
// A flaw "halt" is a machine that gave up for good, which nothing here should make it do. A process that halts with a message because
// it can't mend what is lost (other settings, or the offsets are gone too) is counted apart.
//
// # The search
//
// A search (search.go) copies states and visits each once, whatever the order of steps that leads to it, within the limits of its case (cases.go). The invariants are looked
// at in every step; from every sixteenth state each process alone must finish, then what is late arrives, then the next process must finish. Processes are
// interchangeable, states are told apart by hashes of 64 bits, and steps that nobody can notice and whose answer is settled are made at once (merge.go). Reads
// of records and staging are merged; offsets of the group are left out.
//
// # Faults
//
// Each fault (faults.go) is a mistake in what stands between the machines and the world; the machines have no switch for it. All have to be found.
// The faults of carrying open files over links, which docs/chain.md tells of, belong to a design that isn't built.
//
// # What is left out
//
// Parts and their checksums, the owner's object, objects of strangers, memory and time. Nobody deletes objects of the newest link. Others delete objects of older links only when no process
// is mending them, and links only below every number that a process may still put or look for: both stand for "older than any pause of a
// process". A process that mends an object, sleeps until others have deleted it as old, and then completes it, makes it appear again.
package main
