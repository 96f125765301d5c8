// Package behaviour tests Millrace on real parts: the command as processes, a real Kafka, real Redis
// servers and a file system. Its tests carry the build tag testbed.
package behaviour
