// Package kafka is the Consumer that reads Apache Kafka topics as a member of a consumer group, on
// franz-go, and the DeadLetter that keeps records in a topic.
//
// The Consumer only moves bytes and facts. It delivers whole fetches, pauses every partition that it is
// assigned until the Connector has said where to read from, and commits only forward, for partitions that it
// owns. What other clients pass over in silence is an error here that names the partition and the offsets: an
// offset that expired, a log that was truncated, a topic that was deleted and created again.
//
// # Where a partition starts
//
// The start setting counts once, at the group's birth: it becomes a time T (earliest is 0, latest is now) that
// is kept in the metadata of the group's commits, as {"start":milliseconds,...}. The smallest T found
// there wins over the setting, in every process and after every restart. A partition without a committed offset
// starts at the first record from T; if it didn't exist when this Consumer was opened, it starts at
// its first record. The offset found is committed at once, before anything is read, so that latest is
// not looked up a second time after a crash, and earliest doesn't pass over records that expire meanwhile.
//
// # Who the client is
//
// Auth says how this client proves who it is; Open reads its certificate, password, token or AWS credentials, and tries them at once. While records flow they
// are read again at every authentication, and asked for anew when the brokers refuse them, so that a rotated secret or a renewed certificate needs no restart.
// TLS verifies the brokers always.
//
// A refusal has one of four names, which don't change: "cluster failed to authorize" (a right is missing), "SASL
// authentication failed", "server failed to authenticate" (of a client certificate), "certificate or private key invalid". The error says which
// right or which setting it is about. Open returns it, and Poll while the consumer runs; no error holds a secret.
//
// Connections to a broker that refuses, or is gone, come at growing intervals, up to five seconds, and to all brokers together at most about four a second.
package kafka
