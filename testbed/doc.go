// Package testbed starts the real services that Millrace is tested on: Apache
// Kafka (one node, or three with every record on each), a Redis, a Redis
// cluster, a Redis with TLS and an ACL user, a strict S3 server (versitygw), and moto, a lenient one
// of many services of AWS.
//
// Tests that use it carry the build tag testbed, so that "go test ./..." needs
// nothing but Go. A test asks for the service that it needs:
//
//	brokers := testbed.Kafka(t)          // shared: don't stop it
//	brokers := testbed.StartKafka(t, testbed.KafkaOptions{Nodes: 3}) // its own: kill and pause at will
//
// Shared services are those that the command in testbed/run has started once for all
// packages, named by the environment variables MILLRACE_*. Without these a
// test starts its own, which ends with the test.
//
// Every process listens on 127.0.0.1 only, keeps its data in a temporary folder, and
// ends with the process that started it, however that one ends. After a failed test the folder stays and the test says where.
//
// What is needed is in [Tools] and [Downloads]. A part that can't be had fails the
// test: nothing is skipped.
package testbed
