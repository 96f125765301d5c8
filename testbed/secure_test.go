//go:build testbed

package testbed

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	saslaws "github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const write = kmsg.ACLOperationWrite

// The parts share one node, which takes as long to start as all of them.
func TestSecureKafka(t *testing.T) {
	t.Setenv("AWS_REGION", iamRegion) // franz-go can't tell it from 127.0.0.1
	b := StartSecureKafka(t, SecureOptions{Reauth: 4 * time.Second})
	for name, test := range map[string]func(*testing.T, *SecureBrokers){
		"principals":       testPrincipals,
		"wrong":            testWrong,
		"certificates":     testCertificates,
		"reauthentication": testReauthentication,
		"lifetimes":        testLifetimes,
		"password":         testPassword,
		"quota":            testQuota,
		"sts":              testSTS,
	} {
		t.Run(name, func(t *testing.T) { test(t, b) })
	}
}

// Whoever comes by a listener is the principal that ACLs name, and may do what they allow and no more.
func testPrincipals(t *testing.T, b *SecureBrokers) {
	user := b.Credentials.NewUser(t, "alice")
	session := b.Credentials.NewSession(t, "mover", "pod-1", time.Hour)
	login := scram.Auth{User: b.Username, Pass: b.Password}
	cert := keyPair(t, b.ClientCert)
	for name, c := range map[string]struct {
		listener  Listener
		as        kgo.Opt
		principal string
	}{
		"SCRAM-SHA-256":      {SCRAM, kgo.SASL(login.AsSha256Mechanism()), "User:alice"},
		"SCRAM-SHA-512":      {SCRAM, kgo.SASL(login.AsSha512Mechanism()), "User:alice"},
		"PLAIN":              {PLAIN, kgo.SASL(plain.Auth{User: b.Username, Pass: b.Password}.AsMechanism()), "User:alice"},
		"MTLS":               {MTLS, kgo.Dialer(b.DialTLS(t, cert)), "User:CN=client"},
		"IAM user":           {IAM, kgo.SASL(mskIAM(user)), "User:arn:aws:iam::111122223333:user/alice"},
		"IAM role":           {IAM, kgo.SASL(mskIAM(session)), "User:arn:aws:sts::111122223333:assumed-role/mover/pod-1"},
		"IAM by 127.0.0.1":   {IAMLocal, kgo.SASL(mskIAM(session)), "User:arn:aws:sts::111122223333:assumed-role/mover/pod-1"},
		"OAUTHBEARER":        {IAM, kgo.SASL(bearer(session, iamRegion)), "User:arn:aws:sts::111122223333:assumed-role/mover/pod-1"},
		"OAUTHBEARER, local": {IAMLocal, kgo.SASL(bearer(user, iamRegion)), "User:arn:aws:iam::111122223333:user/alice"},
	} {
		t.Run(name, func(t *testing.T) {
			topic := b.Topic(t, 1)
			// An idempotent producer asks for its id first, which is another right.
			client := b.Connect(t, c.listener, c.as, kgo.DefaultProduceTopic(topic), kgo.DisableIdempotentWrite())
			produce := func() error { return client.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr() }
			// Without any right the topic isn't even shown.
			b.Allow(t, c.principal, kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationDescribe)
			if err := produce(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("without the right to write: %v", err)
			}
			b.Allow(t, c.principal, kmsg.ACLResourceTypeTopic, topic[:len(topic)-3]+"*", write)
			if err := produce(); err != nil {
				t.Errorf("with the right to write: %v", err)
			}
			b.Deny(t, c.principal, kmsg.ACLResourceTypeTopic, topic[:len(topic)-3]+"*", write)
			if err := produce(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("with the right taken away: %v", err)
			}
		})
	}
	if err := b.Connect(t, TLS).Ping(t.Context()); err != nil {
		t.Errorf("TLS: %v", err)
	}
}

// Wrong credentials get the errors that MSK's users know. Why is in Attempts alone.
func testWrong(t *testing.T, b *SecureBrokers) {
	const denied = `^.*SASL_AUTHENTICATION_FAILED: SASL Authentication failed.: \[[0-9a-f-]{36}\]: Access denied$`
	good := b.Credentials.NewSession(t, "mover", "wrong", time.Hour)
	user := b.Credentials.NewUser(t, "bob")
	expired := b.Credentials.NewSession(t, "mover", "wrong", -time.Second)
	revoked, gone := b.Credentials.NewUser(t, "bob"), b.Credentials.NewUser(t, "bob")
	b.Credentials.Expire(t, revoked.AccessKeyID)
	b.Credentials.Remove(t, gone.AccessKeyID)
	with := func(c Credentials, change func(*Credentials)) Credentials { change(&c); return c }
	wrongSecret := with(good, func(c *Credentials) { c.SecretAccessKey = "wrong" })
	for name, c := range map[string]struct {
		listener Listener
		as       sasl.Mechanism
		want     string // a pattern
		reason   string
	}{
		"SCRAM, password": {SCRAM, scram.Auth{User: b.Username, Pass: "wrong"}.AsSha512Mechanism(),
			`SASL_AUTHENTICATION_FAILED: .*Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512`, ""},
		"PLAIN, password":     {PLAIN, plain.Auth{User: b.Username, Pass: "wrong"}.AsMechanism(), `SASL_AUTHENTICATION_FAILED: .*Invalid username or password`, ""},
		"mechanism":           {IAM, plain.Auth{User: b.Username, Pass: b.Password}.AsMechanism(), `UNSUPPORTED_SASL_MECHANISM`, ""},
		"secret":              {IAM, mskIAM(wrongSecret), denied, "wrong signature"},
		"key":                 {IAM, mskIAM(gone), denied, "unknown access key"},
		"token":               {IAM, mskIAM(with(good, func(c *Credentials) { c.SessionToken = "wrong" })), denied, "wrong session token"},
		"no token":            {IAM, mskIAM(with(good, func(c *Credentials) { c.SessionToken = "" })), denied, "the session token is missing"},
		"token not needed":    {IAM, mskIAM(with(user, func(c *Credentials) { c.SessionToken = "any" })), denied, "wrong session token"},
		"expired":             {IAM, mskIAM(expired), denied, "the credentials are expired"},
		"revoked":             {IAM, mskIAM(revoked), denied, "the credentials are expired"},
		"OAUTHBEARER, secret": {IAM, bearer(wrongSecret, iamRegion), denied, "wrong signature"},
		"OAUTHBEARER, region": {IAM, bearer(good, "eu-west-1"), denied, "signed for region eu-west-1"},
		"OAUTHBEARER, token":  {IAM, oauth.Auth{Token: "aGVsbG8"}.AsMechanism(), denied, "the token's URL isn't https://host/?parameters"},
		"by 127.0.0.1":        {IAMLocal, mskIAM(wrongSecret), denied, "wrong signature"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(b.Attempts(t))
			err := b.Connect(t, c.listener, kgo.SASL(c.as), kgo.RequestRetries(0)).Ping(t.Context())
			if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("error %v\nwant   %s", err, c.want)
			}
			reason := ""
			for _, a := range b.Attempts(t)[before:] {
				reason = a.Refused
				if a.Principal != "" || a.UserAgent == "" && a.Mechanism == "AWS_MSK_IAM" {
					t.Errorf("recorded as %+v", a)
				}
			}
			if reason != c.reason {
				t.Errorf("refused because %q, want %q", reason, c.reason)
			}
		})
	}
}

// The broker takes certificates of its own authority by way of the intermediate one, and no others.
func testCertificates(t *testing.T, b *SecureBrokers) {
	bare := keyPair(t, b.ClientCert)
	bare.Certificate = bare.Certificate[:1]
	for name, c := range map[string]struct {
		certs []tls.Certificate
		want  string
	}{
		"good":                     {[]tls.Certificate{keyPair(t, b.ClientCert)}, ""},
		"none":                     {nil, "certificate required|bad certificate"},
		"expired":                  {[]tls.Certificate{keyPair(t, b.ExpiredCert)}, "certificate"},
		"foreign":                  {[]tls.Certificate{keyPair(t, b.ForeignCert)}, "certificate"},
		"without the intermediate": {[]tls.Certificate{bare}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			client := b.Connect(t, MTLS, kgo.Dialer(b.DialTLS(t, c.certs...)), kgo.RequestRetries(0))
			err := client.Ping(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !regexp.MustCompile(c.want).MatchString(err.Error())) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	_, keyFile := b.ClientCert(t, "encrypted")
	for _, by := range []KeyEncryption{PBES1, PBES2} {
		file := EncryptKey(t, keyFile, "secret", by)
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
			t.Errorf("%s: %s, %v", by, text, err)
		}
		if err := output(exec.Command("openssl", "pkey", "-in", file, "-passin", "pass:secret", "-noout"), "openssl pkey"); err != nil {
			t.Errorf("%s: %v", by, err)
		}
	}
}

// A client that authenticates again in time keeps its connection; one whose credentials have ended is refused.
func testReauthentication(t *testing.T, b *SecureBrokers) {
	first := b.Credentials.NewSession(t, "mover", "again", time.Hour)
	var keys atomic.Pointer[Credentials]
	keys.Store(&first)
	var seen connections
	client := b.Connect(t, IAM, kgo.RequestRetries(0), kgo.WithHooks(&seen), kgo.SASL(saslaws.ManagedStreamingIAM(
		func(context.Context) (saslaws.Auth, error) { return auth(*keys.Load()), nil })))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	accepted := func(key string) (n int) {
		for _, a := range b.Attempts(t) {
			if a.AccessKey == key && a.Refused == "" {
				n++
			}
		}
		return n
	}
	request := func() error {
		_, err := client.Request(ctx, kmsg.NewPtrMetadataRequest())
		return err
	}
	if err := request(); err != nil {
		t.Fatal(err)
	}
	await := func(key string, n int) {
		t.Helper()
		eventually(t, ctx, "re-authentication", func() error {
			if err := request(); err != nil {
				t.Fatalf("request of a client that authenticates in time: %v", err)
			}
			if accepted(key) < n {
				return errors.New("not yet")
			}
			return nil
		})
	}
	await(first.AccessKeyID, 3)
	second := b.Credentials.NewSession(t, "mover", "again", time.Hour)
	keys.Store(&second)
	await(second.AccessKeyID, 1)
	if lost := seen.lost.Load(); lost > 0 {
		t.Errorf("%d connections were lost", lost)
	}
	b.Credentials.Expire(t, second.AccessKeyID)
	eventually(t, ctx, "refusal", func() error {
		err := request()
		if err == nil {
			return errors.New("the client is still connected")
		}
		if !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Logf("on the way to the refusal: %v", err)
			return err
		}
		return nil
	})
}

// A session ends with its credentials or after Reauth, whichever is sooner: the broker says so when it accepts a client.
func testLifetimes(t *testing.T, b *SecureBrokers) {
	user := b.Credentials.NewUser(t, "alice")
	session := b.Credentials.NewSession(t, "mover", "short", 3*time.Second)
	login := scram.Auth{User: b.Username, Pass: b.Password}
	for name, c := range map[string]struct {
		listener    Listener
		as          sasl.Mechanism
		above, upTo time.Duration
	}{
		"keys that stay":          {IAM, mskIAM(user), 3 * time.Second, 4 * time.Second},
		"a session":               {IAM, mskIAM(session), 0, 3 * time.Second},
		"a session, OAUTHBEARER":  {IAMLocal, bearer(session, iamRegion), 0, 3 * time.Second},
		"keys, by OAUTHBEARER":    {IAMLocal, bearer(user, iamRegion), 3 * time.Second, 4 * time.Second},
		"a password, PLAIN":       {PLAIN, plain.Auth{User: b.Username, Pass: b.Password}.AsMechanism(), 3 * time.Second, 4 * time.Second},
		"a password, SCRAM again": {SCRAM, login.AsSha512Mechanism(), 3 * time.Second, 4 * time.Second},
	} {
		if got := lifetime(t, b, c.listener, c.as); got <= c.above || got > c.upTo {
			t.Errorf("%s: a session of %v, want more than %v, %v at most", name, got, c.above, c.upTo)
		}
	}
}

// lifetime authenticates on a connection of its own, and returns for how long.
func lifetime(t *testing.T, b *SecureBrokers, l Listener, as sasl.Mechanism) time.Duration {
	t.Helper()
	conn, err := b.DialTLS(t)(t.Context(), "tcp", b.Addr(l))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := kmsg.NewPtrSASLHandshakeRequest()
	hello.Version, hello.Mechanism = 1, as.Name()
	exchange(t, conn, hello)
	session, message, err := as.Authenticate(t.Context(), b.Addr(l))
	for done := false; err == nil; {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.Version, req.SASLAuthBytes = 1, message
		answer := exchange(t, conn, req).(*kmsg.SASLAuthenticateResponse)
		if err = kerr.ErrorForCode(answer.ErrorCode); err == nil {
			done, message, err = session.Challenge(answer.SASLAuthBytes)
		}
		if done {
			return time.Duration(answer.SessionLifetimeMillis) * time.Millisecond
		}
	}
	t.Fatal(err)
	return 0
}

func exchange(t *testing.T, conn net.Conn, req kmsg.Request) kmsg.Response {
	t.Helper()
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)); err != nil {
		t.Fatal(err)
	}
	size := make([]byte, 4)
	if _, err := io.ReadFull(conn, size); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(size))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(answer[4:]); err != nil { // behind the correlation id
		t.Fatal(err)
	}
	return resp
}

// A password is changed while clients are connected.
func testPassword(t *testing.T, b *SecureBrokers) {
	for _, password := range []string{"first", "second"} {
		b.SetPassword(t, "carol", password)
		login := scram.Auth{User: "carol", Pass: password}
		if err := b.Connect(t, SCRAM, kgo.SASL(login.AsSha256Mechanism())).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	old := scram.Auth{User: "carol", Pass: "first"}
	err := b.Connect(t, SCRAM, kgo.RequestRetries(0), kgo.SASL(old.AsSha512Mechanism())).Ping(t.Context())
	if !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("with the old password: %v", err)
	}
}

// The broker throttles a client above its quota, and no longer when it is lifted.
func testQuota(t *testing.T, b *SecureBrokers) {
	topic := b.Topic(t, 1)
	const records = 20
	value := []byte(strings.Repeat("x", 20_000))
	producer := b.Client(t, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for range records { // each is a batch: the broker fills a fetch up to ten seconds' quota
		if err := producer.ProduceSync(t.Context(), kgo.SliceRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	throttled := func(id string) bool {
		var seen connections
		client := b.Client(t, kgo.ClientID(id), kgo.ConsumeTopics(topic), kgo.WithHooks(&seen))
		for n := 0; n < records && !seen.throttled.Load(); {
			fetches := client.PollFetches(t.Context())
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			n += fetches.NumRecords()
		}
		return seen.throttled.Load()
	}
	b.SetQuota(t, "", "slow", 10_000)
	if !throttled("slow") {
		t.Error("not throttled")
	}
	b.SetQuota(t, "", "slow", 0)
	if throttled("slow") {
		t.Error("throttled without a quota")
	}
	b.SetQuota(t, "ANONYMOUS", "", 10_000)
	defer b.SetQuota(t, "ANONYMOUS", "", 0)
	if !throttled("any") {
		t.Error("a user isn't throttled")
	}
}

// connections is what a client's hooks tell.
type connections struct {
	lost      atomic.Int32
	throttled atomic.Bool
}

func (c *connections) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { c.lost.Add(1) }

func (c *connections) OnBrokerThrottle(_ kgo.BrokerMetadata, d time.Duration, _ bool) {
	if d > 0 {
		c.throttled.Store(true)
	}
}

func keyPair(t *testing.T, issue func(testing.TB, string) (certFile, keyFile string)) tls.Certificate {
	t.Helper()
	certFile, keyFile := issue(t, "client")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func auth(c Credentials) saslaws.Auth {
	return saslaws.Auth{AccessKey: c.AccessKeyID, SecretKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}

func mskIAM(c Credentials) sasl.Mechanism { return auth(c).AsManagedStreamingIAMMechanism() }

// bearer makes tokens as Amazon's signers do, with Amazon's own code for signatures.
func bearer(c Credentials, region string) sasl.Mechanism {
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		url := "https://kafka." + region + ".amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Expires=900"
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return oauth.Auth{}, err
		}
		const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		signed, _, err := v4.NewSigner().PresignHTTP(ctx, aws.Credentials{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		}, r, emptyHash, "kafka-cluster", region, time.Now())
		return oauth.Auth{Token: base64.RawURLEncoding.EncodeToString([]byte(signed + "&User-Agent=test%2F1"))}, err
	})
}
