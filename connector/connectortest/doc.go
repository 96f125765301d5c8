// Package connectortest has what tests of consumers, handlers, sinks and
// connectors need: batches made of literals, a scripted Consumer over partitions in
// memory, a dead letter in memory, and the conformance suite that every Consumer passes.
package connectortest
