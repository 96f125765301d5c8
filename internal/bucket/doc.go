// Package bucket reaches one bucket of S3, or of a store like it: the settings of the connection, the client, and what errors mean. The sink and the dead
// letter that write objects are built on it, and so is what other sinks put aside there.
package bucket
