package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// as is an access that authenticates by a method.
func as(t *testing.T, auth Auth) *access {
	t.Helper()
	a := &access{route: route{auth: auth}, method: noMethod{}}
	if _, setup := auth.chosen(); setup != nil {
		var err error
		if a.method, err = setup.method(t.Context(), "cars"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.close)
	}
	return a
}

func role(t *testing.T) Auth {
	awsKeys(t)
	m := &MSKIAM{}
	m.AssumeRole.ARN = "arn:aws:iam::123456789012:role/reader"
	return Auth{MSKIAM: m}
}

func TestMissingRights(t *testing.T) {
	const (
		acls = "topics: orders: cluster failed to authorize this principal: "
		iam  = "topics: orders: cluster failed to authorize arn:aws:sts::123456789012:assumed-role/reader/cars: "
	)
	for _, c := range []struct {
		err    error
		writes bool
		acl    string
		iam    string
	}{
		{kerr.TopicAuthorizationFailed, false,
			"(allow this principal READ and DESCRIBE on the topic)",
			"(allow this principal kafka-cluster:ReadData and kafka-cluster:DescribeTopic on the topic by an IAM policy)"},
		{kerr.TopicAuthorizationFailed, true,
			"(allow this principal WRITE and DESCRIBE on the topic)",
			"(allow this principal kafka-cluster:WriteData and kafka-cluster:DescribeTopic on the topic by an IAM policy)"},
		{kerr.GroupAuthorizationFailed, false,
			`(group "g" is refused: allow this principal READ on the group, or change the setting group)`,
			`(group "g" is refused: allow this principal kafka-cluster:AlterGroup and kafka-cluster:DescribeGroup on the group by an IAM policy, or change the setting group)`},
		{kerr.ClusterAuthorizationFailed, false,
			"(allow this principal DESCRIBE on the cluster)",
			"(allow this principal kafka-cluster:DescribeCluster on the cluster by an IAM policy)"},
		{kerr.ClusterAuthorizationFailed, true,
			"(allow this principal WRITE on the topic, or IDEMPOTENT_WRITE on the cluster)",
			"(allow this principal kafka-cluster:WriteDataIdempotently on the cluster by an IAM policy)"},
		{kerr.TransactionalIDAuthorizationFailed, true,
			"(allow this principal WRITE and DESCRIBE on the transactional id)",
			"(allow this principal kafka-cluster:AlterTransactionalId and kafka-cluster:DescribeTransactionalId on the transactional id by an IAM policy)"},
	} {
		for auth, want := range map[*access]string{as(t, Auth{}): acls + c.err.Error() + " " + c.acl, as(t, role(t)): iam + c.err.Error() + " " + c.iam} {
			err := auth.explain("topics: orders", "g", c.err)
			if c.writes {
				err = auth.explainWrite("topics: orders", c.err)
			}
			if err.Error() != want || connector.ClassOf(err) != connector.Systemic || !errors.Is(err, c.err) {
				t.Errorf("class %s\ngot  %v\nwant %s", connector.ClassOf(err), err, want)
			}
		}
	}
}

func TestConnectionErrors(t *testing.T) {
	plainPort := Auth{SCRAM: &SCRAM{InsecurePlaintext: true}}
	scram := Auth{SCRAM: &SCRAM{}}
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	for _, c := range []struct {
		auth  Auth
		err   error
		port  int
		class connector.Class
		want  string
	}{
		{Auth{}, new(kgo.ErrFirstReadEOF), 29092, connector.Retryable, "(check brokers and tls.enabled; the broker may want clients to authenticate: see auth)"},
		{plainPort, syscall.ECONNRESET, 29092, connector.Retryable, "(check brokers and auth.scram: the broker may want TLS, or refuse the credentials)"},
		{scram, syscall.EPIPE, 29092, connector.Retryable, "(check brokers and auth: is it the port for auth: scram?)"},
		{Auth{}, refused, 9092, connector.Retryable, "connection refused"},
		{Auth{}, refused, 9098, connector.Retryable, "(on Amazon MSK port 9098 is for auth: msk_iam; auth: none has port 9092)"},
		{scram, refused, 9098, connector.Retryable, "(on Amazon MSK port 9098 is for auth: msk_iam; auth: scram has port 9096, public 9196)"},
		{role(t), refused, 9094, connector.Retryable, "(on Amazon MSK port 9094 is for auth: tls or mtls; auth: msk_iam has port 9098, public 9198)"},
		{Auth{Plain: &Plain{}}, refused, 9196, connector.Retryable, "(on Amazon MSK port 9196 is for auth: scram; it takes no auth: plain)"},
		{Auth{TLS: &NoSettings{}}, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, 9092, connector.Retryable,
			"(the broker doesn't speak TLS on this port: check brokers, auth and tls.enabled; on Amazon MSK port 9092 is for auth: none; auth: tls has port 9094, public 9194)"},
		{Auth{}, x509.HostnameError{Certificate: new(x509.Certificate), Host: "b"}, 9092, connector.Retryable, "(the broker's certificate is for another name: check brokers, or set tls.server_name)"},
		{Auth{}, x509.UnknownAuthorityError{}, 9092, connector.Retryable, "(nobody trusted signed the broker's certificate: set tls.ca_file)"},
		{Auth{}, alert("certificate required"), 9094, connector.Systemic,
			"server failed to authenticate: unable to dial: remote error: tls: certificate required (the brokers want a client certificate: set auth.mtls, or check the port in brokers; " +
				"on Amazon MSK port 9094 is for auth: tls or mtls; auth: none has port 9092)"},
		{Auth{}, alert("bad certificate"), 1, connector.Systemic, "server failed to authenticate: unable to dial: remote error: tls: bad certificate"},
		{Auth{}, alert("handshake failure"), 1, connector.Systemic, "server failed to authenticate: "},
		{Auth{}, alert("unknown certificate authority"), 1, connector.Systemic, "server failed to authenticate: "},
		{Auth{}, alert("protocol version not supported"), 1, connector.Retryable, "(check the tls settings)"},
		{scram, kerr.UnsupportedSaslMechanism, 9098, connector.Systemic,
			"SASL authentication failed: unable to dial: " + kerr.UnsupportedSaslMechanism.Error() + " (this port of the brokers doesn't take auth: scram: check auth and brokers; " +
				"on Amazon MSK port 9098 is for auth: msk_iam; auth: scram has port 9096, public 9196)"},
		{Auth{}, kerr.SaslAuthenticationFailed, 9092, connector.Systemic, "(the brokers want clients to prove who they are: set auth)"},
		{Auth{}, kerr.IllegalSaslState, 9092, connector.Systemic, "SASL authentication failed: "},
		{Auth{OAuthBearer: &OAuthBearer{}}, kerr.SaslAuthenticationFailed, 1, connector.Systemic,
			"(the brokers refuse the token: check who issued it, for which audience and scope, and that it hasn't expired)"},
	} {
		err := as(t, c.auth).explainConnection("connect to broker b:1", c.port, fmt.Errorf("unable to dial: %w", c.err))
		has(t, err, "connect to broker b:1: ", c.want)
		if connector.ClassOf(err) != c.class || !errors.Is(err, c.err) {
			t.Errorf("class %s, want %s: %v", connector.ClassOf(err), c.class, err)
		}
	}
}
