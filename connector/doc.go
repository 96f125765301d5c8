// Package connector moves records from Kafka's partitions through transform
// rules into a sink, and is correct when things break.
//
// A [Consumer] reads batches of records of one partition. A decoder (package
// serde) turns bytes into values. A [Handler] applies rules. A [Loader], or a
// [Stager] for whole files, writes to a destination. A [DeadLetter] keeps
// what can't be processed. A [Connector] wires these and runs them; it alone retries,
// batches, buries, commits and drains, so that each of the others stays small:
//
//	c, err := connector.New(consumer, loader,
//		connector.WithDecoder(decoder),
//		connector.WithHandlers(handler),
//		connector.WithDeadLetter(dead))
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx)
//
// An offset is committed only when everything below it is durable in the sink or
// in the dead letter.
package connector
