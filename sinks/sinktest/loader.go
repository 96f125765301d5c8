package sinktest

import (
	"testing"

	"github.com/millrace/millrace/connector"
)

// A LoaderHarness says how the suite gets at one kind of Loader and at what it wrote.
type LoaderHarness struct {
	// Open makes a Loader on an empty destination of its own, and closes both by t.Cleanup. It is called for each check.
	Open func(t testing.TB) Destination
	// Keyed: the destination keeps one record per key, the last one. Otherwise it keeps them all.
	Keyed bool
	// Record makes the record that the sink is to write for a key and a sequence number; nil is the package's Record.
	Record func(key string, seq int) Raw
	// Bad holds records that the sink must mark failed with an error of class Permanent, by what is wrong with them.
	Bad map[string]Raw
}

// A Destination is a Loader with a view of what it wrote. Only Loader and Read are
// needed; the checks that need another function don't run without it.
type Destination struct {
	Loader connector.Loader
	// Read returns everything that the destination holds, in the order of arrival where it has one.
	Read func() ([]Delivery, error)
	// Requests counts the requests to write that have reached the destination, those that failed included.
	Requests func() int
	// Fail makes the next request to write fail, and apply nothing, in a way that the sink must give class c:
	// Retryable (server busy, connection broken) or Systemic (access denied). It reports whether the destination can.
	Fail func(c connector.Class) bool
	// LoseReply makes the next request succeed, but its reply get lost.
	LoseReply func()
	// Stall makes requests hang until release is called.
	Stall func() (release func())
}

// RunLoader runs the suite, each check as a subtest.
func RunLoader(t *testing.T, h LoaderHarness) {
	for _, c := range loaderChecks {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
	for name, bad := range h.Bad {
		t.Run("bad record/"+name, func(t *testing.T) { checkBadRecord(t, h, bad) })
	}
}

// A loaderCheck takes a testing.TB, so that the suite's own tests can watch it fail.
type loaderCheck struct {
	name string
	run  func(testing.TB, LoaderHarness)
}

var loaderChecks = []loaderCheck{
	{"delivers every record", checkDelivers},
	{"empty batch", checkEmptyBatch},
	{"marked records", checkMarkedRecords},
	{"tombstones and null keys", checkNulls},
	{"large batch", checkLargeBatch},
	{"order within a key", checkOrder},
	{"same batch twice", checkTwice},
	{"transient failure", checkTransientFailure},
	{"access denied", checkAccessDenied},
	{"lost reply", checkLostReply},
	{"context ended before", checkContextBefore},
	{"context ends during", checkContextDuring},
	{"concurrent partitions", checkConcurrency},
	{"keys of the sink", checkKeyer},
	{"limits", checkLimits},
}
