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
)

// explain classes an error of a broker and says which setting or which right it is about. what is what was being done.
func explain(what, group string, err error) error {
	if err == nil {
		return nil
	}
	class, hint := connector.Retryable, ""
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(kerr.GroupAuthorizationFailed):
		class, hint = connector.Systemic, fmt.Sprintf("group %q is refused: allow this principal READ on the group, or change the setting group", group)
	case is(kerr.InvalidGroupID):
		class, hint = connector.Fatal, fmt.Sprintf("group %q isn't a name that the brokers take: change the setting group", group)
	case is(kerr.TopicAuthorizationFailed):
		class, hint = connector.Systemic, "allow this principal READ and DESCRIBE on the topic"
	case is(kerr.ClusterAuthorizationFailed):
		class, hint = connector.Systemic, "allow this principal the operation on the cluster"
	case is(kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState):
		class, hint = connector.Systemic, "the brokers refuse the credentials"
	case is(kerr.InconsistentGroupProtocol):
		class, hint = connector.Fatal, fmt.Sprintf("the members of group %q share no balancer: set the same balancer in all of them", group)
	case is(kerr.FencedInstanceID):
		class, hint = connector.Fatal, "another process joined with the same instance_id: give each process its own"
	case is(kerr.GroupMaxSizeReached):
		class, hint = connector.Systemic, fmt.Sprintf("group %q is full: see group.max.size of the brokers", group)
	case is(kerr.UnsupportedVersion, kerr.UnsupportedAssignor):
		class, hint = connector.Fatal, "the brokers are too old for a setting: balancer: kip848 needs Kafka 4.0"
	case is(kerr.InvalidSessionTimeout):
		class, hint = connector.Fatal, "session_timeout is outside group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers"
	case is(kerr.OffsetMetadataTooLarge):
		class, hint = connector.Systemic, "the text that is kept with the offset is longer than offset.metadata.max.bytes of the brokers"
	case is(kerr.UnknownTopicOrPartition, kerr.UnknownTopicID):
		class, hint = connector.Systemic, "the topic doesn't exist, or was deleted"
	default:
		hint = dialHint(err)
	}
	if hint != "" {
		err = fmt.Errorf("%w (%s)", err, hint)
	}
	return class.Wrap(fmt.Errorf("%s: %w", what, err))
}

// dialHint says what a broken connection may come from.
func dialHint(err error) string {
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
		return "the broker doesn't speak TLS on this port: check brokers and tls.enabled"
	case errors.As(err, &eof), errors.Is(err, syscall.ECONNRESET):
		return "check brokers and tls.enabled"
	case strings.Contains(err.Error(), "tls: "):
		return "check the tls settings"
	}
	return ""
}

// unreachable is the error of a client that found no broker.
func unreachable(brokers []string, err error) error {
	var wait net.Error
	if errors.As(err, &wait) && wait.Timeout() {
		err = fmt.Errorf("no answer in time: check brokers and tls.enabled (%w)", err)
	}
	return explain(fmt.Sprintf("brokers %s: none of them answers", strings.Join(list(brokers), ",")), "", err)
}
