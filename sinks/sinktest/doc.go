// Package sinktest holds the conformance suites that every sink passes: RunLoader for
// sinks that write batches, RunStager for sinks that write ranges of offsets as a whole.
//
// A suite counts attempts and deliveries, not only end states: a sink that writes twice into a
// destination that forgets duplicates passes a check of the end state and fails here. Each
// check opens a destination of its own, so that checks don't see each other's records. The
// suites overwrite the bytes that a sink borrowed as soon as its call has returned; a sink
// that kept them stores nonsense, which the check then reads back. Run them with -race.
package sinktest
