// Package behaviour holds tests of Millrace's behaviour on real services. They carry the build tag testbed.
package behaviour
