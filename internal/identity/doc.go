// Package identity says as whom AWS is called: region, credentials and the role that is assumed. Every part
// that calls AWS embeds [Config] or parts of it, so that all have the same settings, checks and messages.
package identity
