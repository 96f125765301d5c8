//go:build testbed

package behaviour

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/testbed"
)

// use makes the process's own identity, as the default chain of the SDK finds it, one of the bed's.
func use(t *testing.T, env ...string) {
	t.Helper()
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// iamAuth is the setting auth for the listener that is advertised as 127.0.0.1, a name that says no region.
func iamAuth(settings string) string {
	return "{msk_iam: {region: us-east-1" + settings + "}}"
}

func keys(c testbed.Credentials) string {
	return fmt.Sprintf(", access_key: %s, secret_key: %q", c.AccessKeyID, c.SecretAccessKey)
}

// agent is what answers pods of EKS that ask for credentials.
func agent(t *testing.T, c testbed.Credentials) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "a token of the pod" {
			http.Error(w, "who is that?", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": %q, "Token": %q, "Expiration": %q}`,
			c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1/credentials"
}

// bearerToken is a signed request as AWS's signer for OAUTHBEARER makes it.
func bearerToken(t *testing.T, c testbed.Credentials) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kafka.us-east-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Expires=900", nil)
	if err != nil {
		t.Fatal(err)
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), c.Credentials, r, hex.EncodeToString(nothing[:]), "kafka-cluster", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(signed + "&User-Agent=test%2F1"))
}

// A broker that checks the signature of AWS_MSK_IAM takes users and assumed roles, and what it refuses is said within 5 s.
func TestMSKIAM(t *testing.T) {
	g := newDoorway(t, testbed.SecureOptions{})
	b := g.brokers
	sts := b.STS(t, testbed.STSOptions{})
	user, stranger := b.Credentials.NewUser(t, "mover"), b.Credentials.NewUser(t, "stranger")
	g.allow("User:"+user.Principal, "User:"+testbed.AssumedRole("reader", "role"), "User:"+testbed.AssumedRole("reader", "pod-1"))
	role := func(name string) string {
		return fmt.Sprintf(", assume_role: {arn: %q, endpoint: %q}", testbed.RoleARN(name), sts.Endpoint)
	}

	t.Run("right", func(t *testing.T) {
		g := *g
		g.t = t
		use(t, b.Credentials.NewUser(t, "mover").Env()...)
		use(t, sts.Env()...)
		g.logins = []login{
			{name: "chain", listener: testbed.IAMLocal, auth: iamAuth("")},
			{name: "keys", listener: testbed.IAMLocal, auth: iamAuth(keys(user))},
			{name: "role", listener: testbed.IAMLocal, auth: iamAuth(role("reader"))},
			{name: "role-session", listener: testbed.IAMLocal, auth: iamAuth(strings.Replace(role("reader"), "{arn", "{session_name: pod-1, external_id: tenant-7, arn", 1))},
		}
		token := g.written("token", bearerToken(t, user))
		g.logins = append(g.logins, login{name: "bearer", listener: testbed.IAMLocal, auth: fmt.Sprintf("{oauthbearer: {token: {file: %q}}}", token)})
		produce(within(t, time.Minute), t, b.Brokers, g.topic, 500)
		p := g.start()
		for _, l := range g.logins {
			testbed.WaitUntil(t, time.Minute, "500 rows of "+l.name, func() bool { return g.rows(l.name) == 500 })
		}
		as := principals(t, p)
		p.stop()
		for name, want := range map[string]string{"role": testbed.AssumedRole("reader", "role"), "role-session": testbed.AssumedRole("reader", "pod-1")} {
			if as[name] != want {
				t.Errorf("%s: the status says that the principal is %q, want %q", name, as[name], want)
			}
		}
		for _, name := range []string{"chain", "keys"} { // moto calls all keys that it didn't issue by one name
			if !strings.HasPrefix(as[name], "arn:aws:") {
				t.Errorf("%s: the status says that the principal is %q, want what STS says", name, as[name])
			}
		}
		external := false
		for _, call := range sts.Calls() {
			external = external || call.Get("ExternalId") == "tenant-7"
		}
		if !external {
			t.Error("STS was never given the external id")
		}
		if strings.Contains(p.log.String(), user.SecretAccessKey) {
			t.Error("the log holds a secret")
		}
	})

	t.Run("wrong", func(t *testing.T) {
		g := *g
		g.t = t
		expired := b.Credentials.NewSession(t, "reader", "millrace", time.Hour)
		b.Credentials.Expire(t, expired.AccessKeyID)
		use(t, expired.Env()...)
		sts.Refuse("forbidden", true)
		wrong := user
		wrong.SecretAccessKey = "hush-hush"
		nobody := user
		nobody.AccessKeyID = "AKIA" + strings.Repeat("X", 16)
		denied := b.Topic(t, 1)
		g.names = longestFirst(append(g.names, denied, "DENIED", sts.Endpoint, "STS"))
		g.logins = []login{
			{name: "wrong-secret", listener: testbed.IAMLocal, auth: iamAuth(keys(wrong))},
			{name: "unknown-key", listener: testbed.IAMLocal, auth: iamAuth(keys(nobody))},
			{name: "wrong-region", listener: testbed.IAMLocal, auth: strings.Replace(iamAuth(keys(user)), "us-east-1", "eu-west-1", 1)},
			{name: "expired-session", listener: testbed.IAMLocal, auth: iamAuth("")},
			{name: "role-refused", listener: testbed.IAMLocal, auth: iamAuth(keys(user) + role("forbidden"))},
			{name: "no-profile", listener: testbed.IAMLocal, auth: iamAuth(", profile: nobody")},
			{name: "no-right-at-all", listener: testbed.IAMLocal, auth: iamAuth(keys(stranger))},
			{name: "topic-denied", listener: testbed.IAMLocal, auth: iamAuth(keys(user)), topic: denied},
			{name: "group-denied", listener: testbed.IAMLocal, auth: iamAuth(keys(user)), group: "denied"},
			{name: "dead-letter-denied", listener: testbed.IAMLocal, auth: iamAuth(keys(user)), dead: denied},
			{name: "iam-at-scram", listener: testbed.SCRAM, auth: iamAuth(keys(user))},
			{name: "scram-at-iam", listener: testbed.IAMLocal, auth: "{scram: {username: alice, password: hush-hush}}"},
		}
		p := g.start()
		said, slowest := g.refusals(p)
		g.inStatus(p, said)
		t.Logf("%d refused, the slowest within %s", len(said), slowest)
		if slowest > 5*time.Second {
			t.Errorf("one was told after %s, want at most 5 s", slowest)
		}
		for _, hush := range []string{"hush-hush", user.SecretAccessKey, expired.SecretAccessKey, expired.SessionToken, "X-Amz-Signature"} {
			if strings.Contains(p.log.String(), hush) {
				t.Errorf("the log holds a secret")
			}
		}
		p.kill()
		g.golden("iam.golden", said)
	})

	// What EKS gives a pod: IRSA's token, or Pod Identity's address.
	for name, env := range map[string]func(t *testing.T) []string{
		"IRSA": func(*testing.T) []string {
			return append(sts.Env(), "AWS_ROLE_ARN="+testbed.RoleARN("reader"), "AWS_ROLE_SESSION_NAME=pod-1",
				"AWS_WEB_IDENTITY_TOKEN_FILE="+g.written("web-identity", "a token of the cluster"))
		},
		"Pod Identity": func(t *testing.T) []string {
			return []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + agent(t, b.Credentials.NewSession(t, "reader", "pod-1", time.Hour)),
				"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + g.written("pod-token", "a token of the pod")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := *g
			g.t = t
			use(t, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
			use(t, env(t)...)
			pod := strings.ReplaceAll(strings.ToLower(name), " ", "-")
			g.logins = []login{{name: pod, listener: testbed.IAMLocal, auth: iamAuth("")}}
			p := g.start()
			testbed.WaitUntil(t, time.Minute, "500 rows", func() bool { return g.rows(pod) == 500 })
			p.stop()
			as := ""
			for _, a := range b.Attempts(t) {
				as = a.Principal
			}
			if as != testbed.AssumedRole("reader", "pod-1") {
				t.Errorf("the broker knew it as %q", as)
			}
		})
	}

	// Brokers of MSK have names that say their region.
	t.Run("embedded, by the broker's name", func(t *testing.T) {
		use(t, user.Env()...)
		config := kafka.DefaultConfig()
		config.Brokers, config.Topics, config.Group = []string{b.Addr(testbed.IAM)}, []string{g.topic}, "ok-embedded"
		config.Auth.MSKIAM = &kafka.MSKIAM{}
		config.TLS.CAFile = b.CAFile
		config.Dial = b.Dial
		consumer, err := config.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := count(t, consumer, 500)
		t.Logf("%d records by %s", got, b.Addr(testbed.IAM))
	})
}

// count runs a connector until it has read n records.
func count(t *testing.T, consumer connector.Consumer, n int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	got := 0
	c, err := connector.New(consumer, connector.LoaderFunc(func(_ context.Context, batch *connector.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if got += batch.Len(); got >= n {
			cancel()
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got != n {
		t.Errorf("%d records, want %d", got, n)
	}
	return got
}

// Sessions of 8 s, authentication again every 4 s, keys that are replaced, and a time in which the role is refused so that the session ends in the
// middle of the stream: every record is written, once.
func TestMSKIAMCredentialsChangeWhileRecordsFlow(t *testing.T) {
	g := newDoorway(t, testbed.SecureOptions{Reauth: 4 * time.Second})
	b := g.brokers
	sts := b.STS(t, testbed.STSOptions{Lifetime: 8 * time.Second})
	old, renewed := b.Credentials.NewUser(t, "mover"), b.Credentials.NewUser(t, "mover")
	g.allow("User:"+old.Principal, "User:"+testbed.AssumedRole("reader", "role"))
	use(t, b.Credentials.NewUser(t, "pod").Env()...)
	use(t, sts.Env()...)
	id, key := g.written("id", old.AccessKeyID), g.written("key", old.SecretAccessKey)
	g.logins = []login{
		{name: "role", listener: testbed.IAMLocal, auth: iamAuth(fmt.Sprintf(", assume_role: {arn: %q, endpoint: %q}", testbed.RoleARN("reader"), sts.Endpoint))},
		{name: "keys", listener: testbed.IAMLocal, auth: iamAuth(fmt.Sprintf(", access_key: {file: %q}, secret_key: {file: %q}", id, key))},
	}
	feed := startFeed(t, b.Brokers, g.topic)
	p := g.start()
	caughtUp := func(name string) {
		t.Helper()
		at := feed.sent.Load()
		testbed.WaitUntil(t, 2*time.Minute, "rows of "+name, func() bool { return int64(g.rows(name)) >= at })
	}
	caughtUp("role")
	caughtUp("keys")

	accepted := func() (n int) {
		for _, a := range b.Attempts(t) {
			if a.Refused == "" {
				n++
			}
		}
		return n
	}
	before := accepted()
	testbed.WaitUntil(t, time.Minute, "authentications", func() bool { return accepted() >= before+12 })
	if said := p.log.String(); strings.Contains(said, `"level":"WARN"`) || strings.Contains(said, `"level":"ERROR"`) {
		t.Errorf("authentication again isn't silent:\n%s", lastLines(said, 20))
	}

	// Another key of the same user.
	for path, text := range map[string]string{id: renewed.AccessKeyID, key: renewed.SecretAccessKey} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.Credentials.Remove(t, old.AccessKeyID)
	testbed.WaitUntil(t, time.Minute, "the new key", func() bool {
		for _, a := range b.Attempts(t) {
			if a.AccessKey == renewed.AccessKeyID && a.Refused == "" {
				return true
			}
		}
		return false
	})
	caughtUp("keys")

	// The role is refused until its session has ended.
	sts.Refuse("reader", true)
	testbed.WaitUntil(t, time.Minute, "the refusal in the status", func() bool {
		_, page := p.get("/status")
		return strings.Contains(page, "sts:AssumeRole") || strings.Contains(page, "AccessDenied")
	})
	stopped := g.rows("role")
	sts.Refuse("reader", false)
	testbed.WaitUntil(t, 2*time.Minute, "more rows", func() bool { return g.rows("role") > stopped+1000 })
	sent := feed.stop()
	for _, name := range []string{"role", "keys"} {
		testbed.WaitUntil(t, 2*time.Minute, "all rows of "+name, func() bool { return int64(g.rows(name)) >= sent })
	}
	p.stop()
	for _, name := range []string{"role", "keys"} {
		if n := g.rows(name); int64(n) != sent {
			t.Errorf("%s: %d rows of %d records", name, n, sent)
		}
	}
	refused := 0
	for _, a := range b.Attempts(t) {
		if a.Refused != "" {
			refused++
		}
	}
	t.Logf("%d records by two connectors: %d and %d rows; %d authentications, %d of them refused", sent, g.rows("role"), g.rows("keys"), len(b.Attempts(t)), refused)
}

// A quota holds the throughput down, the metrics show the wait, and nothing fails.
func TestQuota(t *testing.T) {
	g := newDoorway(t, testbed.SecureOptions{})
	b := g.brokers
	const rate = 1_500_000 // bytes a second
	g.allow("User:alice")
	b.SetQuota(t, "alice", "", rate)
	g.logins = []login{{name: "slow", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {username: alice, password: %q}}", b.Password)}}
	const records = 80_000 // of 1 KiB
	client := b.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := []byte(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
	for range records {
		client.Produce(t.Context(), &kgo.Record{Topic: g.topic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	p := g.start()
	// The broker counts over 11 s: what was read at once at the start is spread over them first.
	testbed.WaitUntil(t, time.Minute, "the broker's window", func() bool { return p.metric("millrace_fetch_throttle_seconds_total") > 13 })
	begun, first := time.Now(), p.metric("millrace_read_bytes_total")
	testbed.WaitUntil(t, time.Minute, "15 s of throttled reading", func() bool { return time.Since(begun) > 15*time.Second })
	got := (p.metric("millrace_read_bytes_total") - first) / time.Since(begun).Seconds()
	throttled, most := p.metric("millrace_fetch_throttle_seconds_total"), p.metric("millrace_fetch_throttle_max_seconds")
	t.Logf("%.0f bytes a second of %d; throttled for %.1f s, at most %.1f s at once", got, rate, throttled, most)
	if got < rate/3 || got > rate*6/5 { // a bare client gets 0.7 to 0.85 of it: the brokers answer late, and each answer holds a whole fetch
		t.Errorf("%.0f bytes a second isn't the quota of %d", got, rate)
	}
	if throttled <= 0 || most <= 0 {
		_, page := p.get("/metrics")
		t.Errorf("no throttle in the metrics:\n%s", page)
	}
	if strings.Contains(p.log.String(), `"level":"ERROR"`) {
		t.Errorf("something failed:\n%s", lastLines(p.log.String(), 20))
	}
	b.SetQuota(t, "alice", "", 0)
	testbed.WaitUntil(t, time.Minute, "all rows", func() bool { return g.rows("slow") == records })
	p.stop()
}
