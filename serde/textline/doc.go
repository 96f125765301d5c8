// Package textline decodes records that are one line of text, by a pattern that names
// its parts and their types.
//
// The patterns of well-known logs are built in (see [Patterns]): access logs of Apache, nginx, AWS Application Load Balancers, Amazon S3 and
// Amazon CloudFront, VPC flow logs, syslog and logfmt. They are read by small scanners. Any other line is read by a regular expression with
// named groups, in RE2's syntax, which takes time in proportion to the line, whoever wrote it. A line that doesn't
// match is an error.
package textline
