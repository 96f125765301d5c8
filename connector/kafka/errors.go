package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/internal/keypair"
)

// The four kinds of refusal, by the words that AWS Lambda's page has for them. Alarms look for them: they don't change.
const (
	notAuthorized    = "cluster failed to authorize"
	saslFailed       = "SASL authentication failed"
	notAuthenticated = "server failed to authenticate"
	badPair          = "certificate or private key invalid"
)

// A verdict is what an error means: its class, which kind of refusal it is, and what to do.
type verdict struct {
	class connector.Class
	kind  string // "" if it isn't one
	hint  string
}

// wrap makes one line of what was being done, the kind of refusal, the error and the hint.
func (v verdict) wrap(what string, err error) error {
	if v.hint != "" {
		err = fmt.Errorf("%w (%s)", err, v.hint)
	}
	if v.kind != "" {
		what += ": " + v.kind
	}
	return v.class.Wrap(fmt.Errorf("%s: %w", what, err))
}

// explain classes an error of a broker and says which setting or which right it is about. what is what was being done.
func (a *access) explain(what, group string, err error) error {
	if err == nil {
		return nil
	}
	return a.judge(group, false, err).wrap(what, err)
}

// explainWrite is explain for a producer.
func (a *access) explainWrite(what string, err error) error {
	return a.judge("", true, err).wrap(what, err)
}

// explainConnection is explain for a connection to a broker's port.
func (a *access) explainConnection(what string, port int, err error) error {
	v := a.judge("", false, err)
	if hint := portHint(port, a.auth.name()); hint != "" {
		v.hint = strings.TrimPrefix(v.hint+"; "+hint, "; ")
	}
	return v.wrap(what, err)
}

// judge is what an error means, for who reads as a member of group, or writes.
func (a *access) judge(group string, writes bool, err error) verdict {
	if hint := a.missingRight(group, writes, err); hint != "" {
		return verdict{connector.Systemic, notAuthorized + " " + a.whom(), hint}
	}
	if v, ok := a.judgeAuthentication(err); ok {
		return v
	}
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(kerr.InvalidGroupID):
		return verdict{connector.Fatal, "", fmt.Sprintf("group %q isn't a name that the brokers take: change the setting group", group)}
	case is(kerr.InconsistentGroupProtocol):
		return verdict{connector.Fatal, "", fmt.Sprintf("the members of group %q share no balancer: set the same balancer in all of them", group)}
	case is(kerr.FencedInstanceID):
		return verdict{connector.Fatal, "", "another process joined with the same instance_id: give each process its own"}
	case is(kerr.GroupMaxSizeReached):
		return verdict{connector.Systemic, "", fmt.Sprintf("group %q is full: see group.max.size of the brokers", group)}
	case is(kerr.UnsupportedVersion, kerr.UnsupportedAssignor):
		return verdict{connector.Fatal, "", "the brokers are too old for a setting: balancer: kip848 needs Kafka 4.0"}
	case is(kerr.InvalidSessionTimeout):
		return verdict{connector.Fatal, "", "session_timeout is outside group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers"}
	case is(kerr.OffsetMetadataTooLarge):
		return verdict{connector.Systemic, "", "the text that is kept with the offset is longer than offset.metadata.max.bytes of the brokers"}
	case is(kerr.UnknownTopicOrPartition, kerr.UnknownTopicID):
		return verdict{connector.Systemic, "", "the topic doesn't exist, or was deleted"}
	}
	return verdict{connector.Retryable, "", a.dialHint(err)}
}

// whom is the principal as messages name it.
func (a *access) whom() string {
	if p := a.principal(); p != "" {
		return p
	}
	return "this principal"
}

// missingRight says what the principal must be allowed, as an ACL or as an action of IAM. It is "" for other errors.
func (a *access) missingRight(group string, writes bool, err error) string {
	iam := a.auth.MSKIAM != nil
	var acl, action string
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		acl, action = "READ on the group", "kafka-cluster:AlterGroup and kafka-cluster:DescribeGroup on the group"
	case errors.Is(err, kerr.TopicAuthorizationFailed) && writes:
		acl, action = "WRITE and DESCRIBE on the topic", "kafka-cluster:WriteData and kafka-cluster:DescribeTopic on the topic"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		acl, action = "READ and DESCRIBE on the topic", "kafka-cluster:ReadData and kafka-cluster:DescribeTopic on the topic"
	case errors.Is(err, kerr.ClusterAuthorizationFailed) && writes:
		acl, action = "WRITE on the topic, or IDEMPOTENT_WRITE on the cluster", "kafka-cluster:WriteDataIdempotently on the cluster"
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		acl, action = "DESCRIBE on the cluster", "kafka-cluster:DescribeCluster on the cluster"
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		acl, action = "WRITE and DESCRIBE on the transactional id", "kafka-cluster:AlterTransactionalId and kafka-cluster:DescribeTransactionalId on the transactional id"
	default:
		return ""
	}
	hint := "allow this principal " + acl
	if iam {
		hint = "allow this principal " + action + " by an IAM policy"
	}
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		hint = fmt.Sprintf("group %q is refused: %s, or change the setting group", group, hint)
	}
	if c, ok := a.method.(*clientCertificate); ok && !c.asked.Load() {
		hint += "; " + c.advice()
	}
	return hint
}

// judgeAuthentication is what an error says of the client's credentials.
func (a *access) judgeAuthentication(err error) (verdict, bool) {
	var pair *keypair.Error
	var local *localError
	var unknown *identity.Error
	switch {
	case errors.As(err, &pair):
		return verdict{connector.Systemic, badPair, ""}, true
	case errors.As(err, &unknown):
		return verdict{connector.Systemic, saslFailed, "check auth.msk_iam, and that this pod or machine has the role that it should have"}, true
	case errors.As(err, &local) && a.auth.MTLS != nil:
		return verdict{connector.Systemic, badPair, ""}, true
	case errors.As(err, &local):
		return verdict{connector.ClassOf(err), saslFailed, ""}, true
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return verdict{connector.Systemic, saslFailed, a.method.advice()}, true
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return verdict{connector.Systemic, saslFailed, "this port of the brokers doesn't take auth: " + a.auth.name() + ": check auth and brokers"}, true
	case errors.Is(err, kerr.IllegalSaslState):
		return verdict{connector.Systemic, saslFailed, "the brokers want another way of authentication on this port: check auth and brokers"}, true
	}
	if hint := a.alertHint(err); hint != "" {
		return verdict{connector.Systemic, notAuthenticated, hint}, true
	}
	return verdict{}, false
}

// isRefusal reports whether a broker has refused this client's credentials.
func isRefusal(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || alert(err) != ""
}

// alert is the TLS alert that a broker sent, if it may be about this client's certificate.
func alert(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	text := strings.TrimPrefix(op.Err.Error(), "tls: ")
	for _, about := range []string{"certificate", "handshake failure", "access denied", "unknown certificate authority"} {
		if strings.Contains(text, about) {
			return text
		}
	}
	return ""
}

func (a *access) alertHint(err error) string {
	switch text := alert(err); {
	case text == "":
		return ""
	case a.auth.MTLS != nil:
		return a.method.advice()
	default:
		return "the brokers want a client certificate: set auth.mtls, or check the port in brokers"
	}
}

// dialHint says what a broken connection may come from.
func (a *access) dialHint(err error) string {
	var eof *kgo.ErrFirstReadEOF
	var header tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &host):
		return "the broker's certificate is for another name: check brokers, or set tls.server_name"
	case errors.As(err, &unknown):
		return "nobody trusted signed the broker's certificate: set tls.ca_file"
	case errors.As(err, &verify):
		return "the broker's certificate can't be verified: see tls.ca_file and tls.server_name"
	case errors.As(err, &header):
		return "the broker doesn't speak TLS on this port: check brokers, auth and tls.enabled"
	case errors.As(err, &eof), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return a.closedHint()
	case strings.Contains(err.Error(), "tls alert record"): // it has no type of its own
		return "the broker speaks TLS on this port: set auth, or tls.enabled"
	case strings.Contains(err.Error(), "tls: "):
		return "check the tls settings"
	}
	return ""
}

// closedHint says why a broker may have closed a connection without a word.
func (a *access) closedHint() string {
	switch {
	case a.auth.MTLS != nil:
		return "check brokers; the brokers may not trust the client certificate"
	case a.tls == nil && a.auth.insecure():
		return "check brokers and auth." + a.auth.name() + ": the broker may want TLS, or refuse the credentials"
	case a.auth.name() == authNone:
		return "check brokers and tls.enabled; the broker may want clients to authenticate: see auth"
	}
	return "check brokers and auth: is it the port for auth: " + a.auth.name() + "?"
}

// mskPorts are those of Amazon MSK, private and public ("Port information", Developer Guide).
var mskPorts = []struct {
	private, public int
	auth            string
}{{9092, 0, authNone}, {9094, 9194, authTLS}, {9096, 9196, authSCRAM}, {9098, 9198, authIAM}}

// portHint says that a port is Amazon MSK's for another method. Others use these ports as they like, so it is only
// for connections that failed.
func portHint(port int, auth string) string {
	own, of := "", ""
	for _, p := range mskPorts {
		if p.auth == family(auth) {
			if own = fmt.Sprintf("; auth: %s has port %d", auth, p.private); p.public != 0 {
				own += fmt.Sprintf(", public %d", p.public)
			}
		}
		if port == p.private || port == p.public && port != 0 {
			of = p.auth
		}
	}
	switch {
	case of == "" || of == family(auth):
		return ""
	case own == "":
		own = "; it takes no auth: " + auth
	}
	if of == authTLS {
		of = "tls or mtls"
	}
	return fmt.Sprintf("on Amazon MSK port %d is for auth: %s%s", port, of, own)
}
