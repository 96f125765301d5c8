// Package awsjson calls AWS services by the protocols AWS JSON 1.0 and 1.1 (Smithy 2.0 specification, "AWS JSON 1.0 protocol"): each call is one
// signed POST. Sinks that make many calls use it, and write their requests straight from values; AWS Glue is called by it because the SDK's client
// of all of AWS Glue is large. ADR 12 has what the SDK's clients cost instead.
package awsjson
