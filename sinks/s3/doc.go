// Package s3 is the sink that writes records to objects of a bucket: JSON lines, Parquet, Avro, CSV or raw bytes. A dead
// letter that writes objects lies beside it.
//
// Guarantee: every record is in the bucket exactly once, in the partition's order inside each object, whatever crashes. An
// object appears whole, and is never changed or overwritten.
//
// A [Config] makes a stager of package staging over a [chain.Store] for a bucket. Objects are staged as multipart uploads, which nobody
// sees; a link, an object that is put only if nothing has its key, commits a range of offsets; then the
// uploads are completed. Package chain tells the protocol. Calls are never repeated here: the SDK's retries are off, and errors
// say by their class what the connector does about them.
package s3
