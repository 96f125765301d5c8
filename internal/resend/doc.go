// Package resend sends dead letters through a connector's pipeline again: a Spool keeps them on disk, sorted and each record once, a Consumer
// hands them over as Kafka did, and a Guard counts what fails again.
package resend
