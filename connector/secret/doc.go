// Package secret holds settings that nobody may read: a [Text] prints masked, wherever it comes from. It may
// be written in the configuration, or kept at a [Source] such as AWS Secrets Manager or a file, from which it is read
// when it is needed, and again when a service has refused it.
package secret
