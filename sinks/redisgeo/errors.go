package redisgeo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
)

// A verdict is what the first word of a Redis error means for the Connector, with a hint for the person who reads it.
type verdict struct {
	class connector.Class
	hint  string
}

// rights are what an ACL user needs.
const rights = "+ping +geoadd +zrem on the sets; for write: newest and expire also +eval +evalsha +hmget +hset +hdel +zadd +zrangebyscore +pexpire +time, on the keys *:millrace:* too"

// verdicts by the error codes of Redis (the comments of redis.conf and the texts in Redis's src/server.c and
// src/cluster.c). What isn't here, such as a broken connection, passes by itself or not at all: it is retryable.
var verdicts = map[string]verdict{
	"LOADING":     {connector.Retryable, ""},
	"BUSY":        {connector.Retryable, ""},
	"TRYAGAIN":    {connector.Retryable, ""},
	"CLUSTERDOWN": {connector.Retryable, ""},
	"MASTERDOWN":  {connector.Retryable, ""},
	"NOREPLICAS":  {connector.Retryable, ""},
	"READONLY":    {connector.Retryable, "the node is a replica: a failover is under way, or addrs names a reader endpoint"},

	"NOAUTH":    {connector.Systemic, "Redis wants credentials: set username and password"},
	"WRONGPASS": {connector.Systemic, "Redis refuses username and password"},
	"NOPERM":    {connector.Systemic, "give the ACL user this right, with the command and the keys: " + rights},
	"OOM":       {connector.Systemic, "Redis is full: raise its maxmemory, or set expire"},
	"MISCONF":   {connector.Systemic, "Redis can't save to its disk, and refuses writes"},
	"WRONGTYPE": {connector.Systemic, "the key holds something else than a geo set: set another key, or delete it"},
	"CROSSSLOT": {connector.Systemic, "companion keys are in another slot"},
	"MOVED":     {connector.Systemic, "the server belongs to a cluster: set mode to cluster or auto"},
	"ASK":       {connector.Systemic, "the server belongs to a cluster: set mode to cluster or auto"},
	"NOPROTO":   {connector.Systemic, "Redis 3.2 or newer is needed"},
}

// classify gives an error that came from Redis, or on the way to it, its class and a hint.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		return err // it has its class
	}
	if hint := transportHint(err); hint != "" {
		return connector.Systemic.Errorf("%w (%s)", err, hint)
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return connector.Retryable.Wrap(err)
	}
	v := verdicts[code(reply.Error())]
	switch text := reply.Error(); {
	case strings.HasPrefix(text, "ERR unknown command"):
		v = verdict{connector.Systemic, "Redis doesn't know the command, or it was renamed or disabled"}
	case strings.HasPrefix(text, "ERR invalid password"), strings.HasPrefix(text, "ERR AUTH"), strings.HasPrefix(text, "ERR Client sent AUTH"):
		v = verdict{connector.Systemic, "look at username and password"}
	case strings.Contains(text, "cluster support disabled"):
		v = verdict{connector.Systemic, "the server doesn't belong to a cluster: set mode to single or auto"}
	case strings.HasPrefix(text, "ERR DB index"), strings.HasPrefix(text, "ERR SELECT is not allowed"), strings.HasPrefix(text, "ERR invalid DB index"):
		v = verdict{connector.Systemic, "look at db"}
	}
	if v.hint == "" {
		return v.class.Wrap(err)
	}
	return v.class.Errorf("%w (%s)", err, v.hint)
}

// code is the first word of an error, of the command's where a script met it.
func code(text string) string {
	// Redis 7 and newer on a command that the user may not use within a script.
	if strings.Contains(text, "can't run this command") || strings.Contains(text, "can't access at least one of the keys") {
		return "NOPERM"
	}
	first, _, _ := strings.Cut(text, " ")
	if strings.HasPrefix(text, "ERR Error ") {
		// Before Redis 7: "ERR Error running script (call to f_...): @user_script:3: WRONGTYPE Operation ..."
		for word := range strings.FieldsSeq(text) {
			if _, known := verdicts[strings.TrimLeft(word, "-")]; known {
				return strings.TrimLeft(word, "-")
			}
		}
	}
	return first
}

// transportHint names the setting behind an error of the connection, if there is one.
func transportHint(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate isn't signed by a known authority: set tls.ca_file"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another name: set tls.server_name"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate can't be verified: see tls"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server doesn't speak TLS: set tls.enabled to false, or another port in addrs"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server refuses the TLS connection: see tls"
	}
	return ""
}
