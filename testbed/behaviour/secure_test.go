//go:build testbed

package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/testbed"
)

var update = flag.Bool("update", false, "write the golden files")

// A login is a connector that comes to the brokers in one way.
type login struct {
	name     string
	listener testbed.Listener
	auth     string // setting of the source
	tls      string // setting of the source; "": the bed's authority
	brokers  string // setting of the source; "": the listener's address
	topic    string // "": one that it may read
	group    string // "": one that it may join
	dead     string // topic of the dead letter; "": none
}

// A doorway is the logins that are tried at one broker, by one process.
type doorway struct {
	t       *testing.T
	brokers *testbed.SecureBrokers
	topic   string
	dir     string
	names   []string // what is replaced in messages, and by what
	logins  []login
}

func newDoorway(t *testing.T, o testbed.SecureOptions) *doorway {
	t.Helper()
	g := &doorway{t: t, brokers: testbed.StartSecureKafka(t, o), dir: t.TempDir()}
	g.topic = g.brokers.Topic(t, 2)
	for _, l := range []testbed.Listener{testbed.SCRAM, testbed.PLAIN, testbed.MTLS, testbed.TLS, testbed.IAM, testbed.IAMLocal} {
		g.names = append(g.names, g.brokers.Addr(l), string(l))
	}
	g.names = append(g.names, g.brokers.Addrs[0], "NONE", g.topic, "TOPIC", g.dir, "DIR")
	return g
}

// allow lets principals read the topic and join groups that begin with ok-.
func (g *doorway) allow(principals ...string) {
	g.t.Helper()
	for _, p := range principals {
		g.brokers.Allow(g.t, p, kmsg.ACLResourceTypeTopic, g.topic, kmsg.ACLOperationRead)
		g.brokers.Allow(g.t, p, kmsg.ACLResourceTypeGroup, "ok-*", kmsg.ACLOperationRead)
	}
}

// config is the file of all logins. Each writes files of its own.
func (g *doorway) config() string {
	var b strings.Builder
	for _, l := range g.logins {
		addr := g.brokers.Addrs[0]
		if l.listener != "" {
			addr = g.brokers.Addr(l.listener)
		}
		source := []string{"brokers: " + or(l.brokers, strconv.Quote(addr)), "topics: [" + or(l.topic, g.topic) + "]", "group: " + or(l.group, "ok-"+l.name),
			"session_timeout: 6s", "fetch: {max_bytes: 1MiB}"}
		if l.auth != "" {
			source = append(source, "auth: "+l.auth)
		}
		if l.listener != "" {
			source = append(source, "tls: "+or(l.tls, fmt.Sprintf("{ca_file: %q}", g.brokers.CAFile)))
		}
		fmt.Fprintf(&b, "---\nname: %s\nsource: {kafka: {%s}}\nsink: {file: {dir: %q, compression: none, rotate: {age: 1s}}}\n", l.name, strings.Join(source, ", "), filepath.Join(g.dir, l.name))
		if l.dead != "" {
			fmt.Fprintf(&b, "dead_letter: {kafka: {topic: %s}}\n", l.dead)
		}
	}
	return b.String()
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// A line is one of a log in JSON.
type line struct {
	Time      time.Time `json:"time"`
	Msg       string    `json:"msg"`
	Connector string    `json:"connector"`
	Error     string    `json:"error"`
}

func logLines(t *testing.T, log string) (lines []line) {
	t.Helper()
	for text := range strings.Lines(log) {
		var l line
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines
}

// refusals waits until each login was refused, and returns what was said of each first and how long the slowest took.
func (g *doorway) refusals(p *pod) (said map[string]string, slowest time.Duration) {
	g.t.Helper()
	testbed.WaitUntil(g.t, time.Minute, "all to be refused", func() bool {
		said, slowest = map[string]string{}, 0
		begun := map[string]time.Time{}
		for _, l := range logLines(g.t, p.log.String()) {
			if l.Msg == "starting" {
				begun[l.Connector] = l.Time
			}
			if l.Error != "" && said[l.Connector] == "" {
				said[l.Connector] = l.Error
				slowest = max(slowest, l.Time.Sub(begun[l.Connector]))
			}
		}
		return len(said) == len(g.logins)
	})
	return said, slowest
}

// ports and ids differ from run to run.
var varying = regexp.MustCompile(`127\.0\.0\.1:\d+->127\.0\.0\.1:\d+|\[[0-9a-f]{8}-[0-9a-f-]{27}\]|\d{4}-\d\d-\d\d[T ][0-9:]+(?:Z| UTC)|(AKIA|ASIA)[A-Z0-9]{16}`)

// golden compares the messages with a file of testdata.
func (g *doorway) golden(file string, said map[string]string) {
	g.t.Helper()
	var b strings.Builder
	for _, l := range g.logins {
		text := strings.NewReplacer(g.names...).Replace(said[l.name])
		fmt.Fprintf(&b, "%s\n    %s\n", l.name, varying.ReplaceAllString(text, "..."))
	}
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	if b.String() != string(want) {
		g.t.Errorf("the messages differ from %s (go test -update writes them):\n%s", path, b.String())
	}
}

// inStatus checks that the status page says the same as the log.
func (g *doorway) inStatus(p *pod, said map[string]string) {
	g.t.Helper()
	_, page := p.get("/status")
	var status struct {
		Connectors []struct{ Name, Failure string }
	}
	if err := json.Unmarshal([]byte(page), &status); err != nil {
		g.t.Fatal(err)
	}
	for _, c := range status.Connectors {
		if !strings.Contains(c.Failure, said[c.Name]) && !strings.Contains(said[c.Name], c.Failure) || c.Failure == "" {
			g.t.Errorf("%s: the status says %q, the log %q", c.Name, c.Failure, said[c.Name])
		}
	}
}

// start runs all logins in one process.
func (g *doorway) start(flags ...string) *pod {
	g.t.Helper()
	p := &pod{millraceProcess: startMillrace(g.t, g.config(), append([]string{"--http", "127.0.0.1:0", "--log", "json"}, flags...)...)}
	testbed.WaitUntil(g.t, 30*time.Second, "the port", func() bool {
		found := listeningJSON.FindStringSubmatch(p.log.String())
		if found != nil {
			p.url = "http://" + found[1]
		}
		return found != nil
	})
	return p
}

var listeningJSON = regexp.MustCompile(`"msg":"listening".*"address":"([^"]+)"`)

// rows counts the lines that a login has written.
func (g *doorway) rows(name string) (n int) {
	g.t.Helper()
	err := filepath.WalkDir(filepath.Join(g.dir, name), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing was written yet, or a temporary file is gone
			return nil
		case err != nil || d.IsDir() && d.Name() == "_millrace":
			return errors.Join(err, fs.SkipDir)
		case filepath.Ext(path) != ".json":
			return nil
		}
		text, err := os.ReadFile(path)
		n += bytes.Count(text, []byte("\n"))
		return err
	})
	if err != nil && !errors.Is(err, fs.SkipDir) {
		g.t.Fatal(err)
	}
	return n
}

// principals are as whom the status page says that connectors read.
func principals(t *testing.T, p *pod) map[string]string {
	t.Helper()
	_, page := p.get("/status")
	var status struct {
		Connectors []struct {
			Name     string
			Consumer struct{ Principal string }
		}
	}
	if err := json.Unmarshal([]byte(page), &status); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range status.Connectors {
		all[c.Name] = c.Consumer.Principal
	}
	return all
}

// written makes a file of text below the doorway's folder.
func (g *doorway) written(name, text string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// pkcs12 makes a file of a certificate and its key, as openssl does today.
func (g *doorway) pkcs12(cert, key, password string) string {
	g.t.Helper()
	file := filepath.Join(g.dir, "bob.p12")
	out, err := exec.CommandContext(g.t.Context(), "openssl", "pkcs12", "-export", "-in", cert, "-inkey", key, "-out", file, "-passout", "pass:"+password).CombinedOutput()
	if err != nil {
		g.t.Fatalf("openssl pkcs12: %v\n%s", err, out)
	}
	return file
}

// secretJSON is a client certificate as AWS Lambda's secrets hold it.
func (g *doorway) secretJSON(cert, key, password string) string {
	g.t.Helper()
	fields := map[string]string{"privateKeyPassword": password}
	for name, file := range map[string]string{"certificate": cert, "privateKey": key} {
		text, err := os.ReadFile(file)
		if err != nil {
			g.t.Fatal(err)
		}
		fields[name] = string(text)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// A vault is Secrets Manager, played by moto.
type vault struct{ client *secretsmanager.Client }

// newVault lets the processes of a test read it.
func newVault(t *testing.T) *vault {
	t.Helper()
	moto := testbed.Moto(t)
	use(t, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+moto.Endpoint, "AWS_REGION="+moto.Region, "AWS_ACCESS_KEY_ID="+moto.AccessKey, "AWS_SECRET_ACCESS_KEY="+moto.SecretKey,
		"AWS_EC2_METADATA_DISABLED=true")
	return &vault{secretsmanager.New(secretsmanager.Options{Region: moto.Region, BaseEndpoint: &moto.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(moto.AccessKey, moto.SecretKey, "")})}
}

// put makes a secret, or a newer version of it.
func (v *vault) put(t *testing.T, name, text string) {
	t.Helper()
	_, err := v.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	if there := new(types.ResourceExistsException); errors.As(err, &there) {
		_, err = v.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every way to authenticate reads all records of a real broker, as the principal that the rights are given to, and each wrong credential and
// each missing right is said within 5 s, in the log and in the status.
func TestSecureKafka(t *testing.T) {
	g := newDoorway(t, testbed.SecureOptions{})
	b := g.brokers
	cert, key := b.ClientCert(t, "bob")
	pbes1, pbes2 := testbed.EncryptKey(t, key, "hush-key", testbed.PBES1), testbed.EncryptKey(t, key, "hush-key", testbed.PBES2)
	password := g.written("password", b.Password)
	g.allow("User:alice", "User:CN=bob")

	t.Run("right", func(t *testing.T) {
		g := *g
		g.t = t
		g.logins = []login{
			{name: "none"},
			{name: "tls", listener: testbed.TLS, auth: "tls"},
			{name: "scram-512", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {username: alice, password: {file: %q}}}", password)},
			{name: "scram-256", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {mechanism: sha256, username: alice, password: %q}}", b.Password)},
			{name: "scram-secret", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {credentials: {file: %q}}}",
				g.written("alice.json", fmt.Sprintf(`{"username": "alice", "password": %q}`, b.Password)))},
			{name: "plain", listener: testbed.PLAIN, auth: fmt.Sprintf("{plain: {username: alice, password: %q}}", b.Password)},
			{name: "mtls", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", cert, key)},
			{name: "mtls-pbes1", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q, key_password: hush-key}}", cert, pbes1)},
			{name: "mtls-pbes2", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q, key_password: hush-key}}", cert, pbes2)},
			{name: "mtls-secret", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {certificate: {file: %q}}}", g.written("bob.json", g.secretJSON(cert, pbes1, "hush-key")))},
		}
		vault := newVault(t)
		name := testbed.Name(t)
		vault.put(t, name+"/alice", fmt.Sprintf(`{"username": "alice", "password": %q}`, b.Password))
		vault.put(t, name+"/bob", g.secretJSON(cert, pbes2, "hush-key"))
		host, port, _ := net.SplitHostPort(b.Addr(testbed.SCRAM))
		vault.put(t, name+"/brokers", fmt.Sprintf(`{"b1": {"endpoint_url": %q, "broker_port": %s}}`, host, port))
		g.logins = append(g.logins,
			login{name: "scram-vault", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {credentials: {secret: %s/alice}}}", name), brokers: fmt.Sprintf("{secret: %s/brokers}", name)},
			login{name: "scram-fields", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {username: {secret: %s/alice, field: username}, password: {secret: %s/alice, field: password}}}", name, name)},
			login{name: "mtls-pkcs12", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {pkcs12_file: %q, key_password: hush-key}}", g.pkcs12(cert, key, "hush-key"))},
			login{name: "mtls-vault", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {certificate: {secret: %s/bob}}}", name)},
		)
		produce(within(t, time.Minute), t, b.Brokers, g.topic, 500)
		p := g.start("--budget", "512MiB")
		testbed.WaitUntil(t, time.Minute, "readiness", func() bool { code, _ := p.get("/readyz"); return code == 200 })
		for _, l := range g.logins {
			testbed.WaitUntil(t, time.Minute, "500 rows of "+l.name, func() bool { return g.rows(l.name) == 500 })
		}
		as := principals(t, p)
		p.stop()
		for name, want := range map[string]string{"none": "", "tls": "", "scram-512": "User:alice", "plain": "User:alice", "mtls": "CN=bob", "mtls-secret": "CN=bob"} {
			if !strings.Contains(as[name], want) || want == "" && as[name] != "" {
				t.Errorf("%s: the status says that the principal is %q, want %q", name, as[name], want)
			}
		}
		for _, hush := range []string{b.Password, "hush-key"} {
			if strings.Contains(p.log.String(), hush) {
				t.Errorf("the log holds a secret")
			}
		}
	})

	t.Run("wrong", func(t *testing.T) {
		g := *g
		g.t = t
		foreign, foreignKey := b.ForeignCert(t, "bob")
		expired, expiredKey := b.ExpiredCert(t, "bob")
		denied := b.Topic(t, 1)
		g.names = append(g.names, denied, "DENIED")
		for from, to := range map[string]string{key: "KEY", cert: "CERT", foreign: "FOREIGN", foreignKey: "FOREIGN-KEY", expired: "EXPIRED", expiredKey: "EXPIRED-KEY", pbes1: "PBES1", pbes2: "PBES2"} {
			g.names = append(g.names, from, to)
		}
		// Longer texts first: a file's name may begin with another's.
		g.names = longestFirst(g.names)
		alice := fmt.Sprintf("{scram: {username: alice, password: %q}}", b.Password)
		g.logins = []login{
			{name: "scram-wrong-password", listener: testbed.SCRAM, auth: "{scram: {username: alice, password: hush-hush}}"},
			{name: "scram-unknown-user", listener: testbed.SCRAM, auth: "{scram: {username: nobody, password: hush-hush}}"},
			{name: "scram-256-wrong-password", listener: testbed.SCRAM, auth: "{scram: {mechanism: sha256, username: alice, password: hush-hush}}"},
			{name: "plain-wrong-password", listener: testbed.PLAIN, auth: "{plain: {username: alice, password: hush-hush}}"},
			{name: "scram-at-plain", listener: testbed.PLAIN, auth: alice},
			{name: "scram-at-mtls", listener: testbed.MTLS, auth: alice},
			{name: "scram-at-none", auth: alice},
			{name: "scram-without-tls", listener: testbed.SCRAM, tls: "{}", auth: fmt.Sprintf("{scram: {username: alice, password: %q, insecure_plaintext: true}}", b.Password)},
			{name: "none-at-scram", listener: testbed.SCRAM, tls: "{}"},
			{name: "tls-at-scram", listener: testbed.SCRAM, auth: "tls"},
			{name: "authority-not-trusted", listener: testbed.SCRAM, auth: alice, tls: "{}"},
			{name: "name-of-server", listener: testbed.SCRAM, auth: alice, tls: fmt.Sprintf("{ca_file: %q, server_name: other.example.com}", b.CAFile)},
			{name: "mtls-without-certificate", listener: testbed.MTLS, auth: "tls"},
			{name: "mtls-not-trusted", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", foreign, foreignKey)},
			{name: "mtls-expired", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", expired, expiredKey)},
			{name: "mtls-wrong-password-pbes2", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q, key_password: wrong}}", cert, pbes2)},
			{name: "mtls-wrong-password-pbes1", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q, key_password: wrong}}", cert, pbes1)},
			{name: "mtls-no-password", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", cert, pbes1)},
			{name: "mtls-another-key", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", cert, foreignKey)},
			{name: "mtls-no-file", listener: testbed.MTLS, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", filepath.Join(g.dir, "none.crt"), key)},
			{name: "topic-denied", listener: testbed.SCRAM, auth: alice, topic: denied},
			{name: "topic-denied-mtls", listener: testbed.MTLS, topic: denied, auth: fmt.Sprintf("{mtls: {cert_file: %q, key_file: %q}}", cert, key)},
			{name: "group-denied", listener: testbed.SCRAM, auth: alice, group: "denied"},
			{name: "dead-letter-denied", listener: testbed.SCRAM, auth: alice, dead: denied},
		}
		p := g.start("--budget", "512MiB")
		said, slowest := g.refusals(p)
		g.inStatus(p, said)
		t.Logf("%d refused, the slowest within %s", len(said), slowest)
		if slowest > 5*time.Second {
			t.Errorf("one was told after %s, want at most 5 s", slowest)
		}
		if code, page := p.get("/readyz"); code == 200 {
			t.Errorf("ready though nothing was opened: %s", page)
		}
		if code, _ := p.get("/healthz"); code != 200 {
			t.Error("not alive: a restart would mend none of these")
		}
		if strings.Contains(p.log.String(), "hush-hush") || strings.Contains(p.log.String(), b.Password) {
			t.Error("the log holds a secret")
		}
		p.kill()
		g.golden("secure.golden", said)
	})
}

// longestFirst sorts pairs by the length of what is replaced.
func longestFirst(pairs []string) []string {
	var all [][2]string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, [2]string{pairs[i], pairs[i+1]})
	}
	slices.SortStableFunc(all, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var out []string
	for _, p := range all {
		out = append(out, p[0], p[1])
	}
	return out
}

// Passwords and certificates that are replaced while records flow are taken up: the old ones are refused, nothing is lost.
func TestSecretsRotateWhileRecordsFlow(t *testing.T) {
	g := newDoorway(t, testbed.SecureOptions{Reauth: 4 * time.Second})
	b := g.brokers
	g.allow("User:alice", "User:CN=bob")
	vault, kept := newVault(t), testbed.Name(t)
	vault.put(t, kept, fmt.Sprintf(`{"username": "alice", "password": %q}`, b.Password))
	password := g.written("password", b.Password)
	g.logins = []login{
		{name: "scram", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {username: alice, password: {file: %q}}}", password)},
		{name: "vault", listener: testbed.SCRAM, auth: fmt.Sprintf("{scram: {credentials: {secret: %s}}}", kept)},
	}
	feed := startFeed(t, b.Brokers, g.topic)
	p := g.start()
	testbed.WaitUntil(t, time.Minute, "the first rows", func() bool { return g.rows("scram") > 0 })
	b.SetPassword(t, "alice", "a-new-password-of-alice")
	testbed.WaitUntil(t, time.Minute, "the refusal to be said", func() bool { return strings.Contains(p.log.String(), "SASL authentication failed") })
	if err := os.WriteFile(password, []byte("a-new-password-of-alice"), 0o600); err != nil {
		t.Fatal(err)
	}
	vault.put(t, kept, `{"username": "alice", "password": "a-new-password-of-alice"}`)
	at := feed.sent.Load()
	both := func(n int64) func() bool {
		return func() bool { return int64(g.rows("scram")) >= n && int64(g.rows("vault")) >= n }
	}
	testbed.WaitUntil(t, 3*time.Minute, "rows with the new password", both(at+1))

	// A right that is taken away, and given back.
	b.Deny(t, "User:alice", kmsg.ACLResourceTypeTopic, g.topic, kmsg.ACLOperationRead)
	testbed.WaitUntil(t, time.Minute, "the missing right in the status", func() bool {
		_, page := p.get("/status")
		return strings.Contains(page, "cluster failed to authorize User:alice")
	})
	if code, _ := p.get("/readyz"); code != 200 {
		t.Error("not ready any more: an outage is no reason to stop a rollout")
	}
	b.Allow(t, "User:alice", kmsg.ACLResourceTypeTopic, g.topic, kmsg.ACLOperationRead)
	at = feed.sent.Load()
	testbed.WaitUntil(t, 2*time.Minute, "rows with the right again", both(at+1))
	sent := feed.stop()
	testbed.WaitUntil(t, time.Minute, "all rows", both(sent))
	p.stop()
	for _, l := range g.logins {
		if n := g.rows(l.name); int64(n) != sent {
			t.Errorf("%s: %d rows of %d records", l.name, n, sent)
		}
	}
	t.Logf("%d records by two connectors through a change of the password and a missing right: %d and %d rows", sent, g.rows("scram"), g.rows("vault"))
	if strings.Contains(p.log.String(), "a-new-password") || strings.Contains(p.log.String(), b.Password) {
		t.Error("the log holds a secret")
	}
}

// A feed sends records to a topic until it is stopped.
type feed struct {
	t    *testing.T
	sent atomic.Int64
	end  context.CancelFunc
	done chan error
}

// startFeed sends about 1,000 records a second. It ends with the test.
func startFeed(t *testing.T, brokers *testbed.Brokers, topic string) *feed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &feed{t: t, end: cancel, done: make(chan error, 1)}
	client := brokers.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	go func() { f.done <- drive(ctx, client, topic, &f.sent) }()
	return f
}

// stop ends the feed and returns how many records were acknowledged.
func (f *feed) stop() int64 {
	f.t.Helper()
	f.end()
	if err := <-f.done; err != nil {
		f.t.Fatal(err)
	}
	return f.sent.Load()
}
