//go:build testbed

package behaviour

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// An elastiCache stands in front of a real Redis, a double for each node of a cluster: it speaks TLS, takes IAM tokens only, and
// doesn't serve connections whose authentication is older than limit, which stands for the 12 hours of ElastiCache.
type elastiCache struct {
	table      *iamTable
	name, user string
	serverless bool
	limit      time.Duration
	caFile     string
	addrs      []string

	accepted, refused atomic.Int64 // authentications
	cut               atomic.Int64 // connections that still were used after limit
}

const elastiCacheRegion = "eu-west-1"

func newElastiCache(t *testing.T, real *testbed.Redis, limit time.Duration) *elastiCache {
	t.Helper()
	certified := httptest.NewTLSServer(http.NotFoundHandler()) // it has a certificate for 127.0.0.1
	certified.Close()
	e := &elastiCache{table: newIAMTable(t), name: "my-cache", user: "millrace-geo", limit: limit, caFile: filepath.Join(t.TempDir(), "ca.pem")}
	e.serverless = len(real.Addrs) > 1
	if err := os.WriteFile(e.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ports := map[string]string{} // a line of a reply that holds a node's port, to that with its double's
	var listeners []net.Listener
	for _, addr := range real.Addrs {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		e.addrs, listeners = append(e.addrs, l.Addr().String()), append(listeners, l)
		ports[portLine(addr)] = portLine(l.Addr().String())
	}
	for i, l := range listeners {
		n := &elastiCacheNode{elastiCache: e, username: "default", password: "-", ports: ports}
		n.dial = func() (net.Conn, error) { return net.Dial("tcp", real.Addrs[i]) }
		if real.CAFile != "" {
			config := real.TLS(t)
			n.username, n.password = real.Username, real.Password
			n.dial = func() (net.Conn, error) { return tls.Dial("tcp", real.Addrs[i], config) }
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go n.serve(c)
			}
		}()
	}
	return e
}

// portLine is how the reply to CLUSTER SLOTS tells a node's port.
func portLine(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return ":" + port + "\r\n"
}

type elastiCacheNode struct {
	*elastiCache
	dial               func() (net.Conn, error)
	username, password string // of the real node
	ports              map[string]string
}

// serve passes commands and replies on. A login is exchanged for one that the real node takes or refuses, so that replies keep their order.
func (n *elastiCacheNode) serve(client net.Conn) {
	defer client.Close()
	real, err := n.dial()
	if err != nil {
		return
	}
	defer real.Close()
	go n.replies(client, real)
	commands := bufio.NewReader(client)
	var since time.Time // of the last login
	for {
		args, err := readCommand(commands)
		if err != nil {
			return
		}
		if !since.IsZero() && time.Since(since) > n.limit { // at the worst of times: the command is lost
			n.cut.Add(1)
			return
		}
		at := loginAt(args)
		switch {
		case at > 0 && n.check(args[at], args[at+1]) == nil:
			n.accepted.Add(1)
			since = time.Now()
			args[at], args[at+1] = n.username, n.password
		case at > 0:
			n.refused.Add(1)
			args[at], args[at+1] = "nobody", "-"
		case since.IsZero():
			args = []string{"AUTH", "nobody", "-"}
		}
		if _, err := real.Write(writeCommand(args)); err != nil {
			return
		}
	}
}

func (n *elastiCacheNode) replies(client, real net.Conn) {
	defer client.Close()
	lines := bufio.NewReader(real)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if instead, ok := n.ports[string(line)]; ok {
			line = []byte(instead)
		}
		if _, err := client.Write(line); err != nil {
			return
		}
	}
}

// loginAt is where a command holds a user, whose password follows; 0 if it doesn't.
func loginAt(args []string) int {
	switch {
	case strings.EqualFold(args[0], "auth") && len(args) == 3:
		return 1
	case strings.EqualFold(args[0], "hello") && len(args) >= 5 && strings.EqualFold(args[2], "auth"):
		return 3
	}
	return 0
}

func readCommand(r *bufio.Reader) ([]string, error) {
	count, err := readLength(r, '*')
	if err != nil {
		return nil, err
	}
	args := make([]string, count)
	for i := range args {
		size, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}

func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil || line[0] != kind || n < 1 && kind == '*' || n < 0 {
		return 0, fmt.Errorf("%q isn't what a client sends", line)
	}
	return n, nil
}

func writeCommand(args []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.Bytes()
}

// check is what ElastiCache does with AUTH <user id> <token>.
func (e *elastiCache) check(user, token string) error {
	if user != e.user {
		return fmt.Errorf("there is no user %q", user)
	}
	host, text, ok := strings.Cut(token, "/?")
	query, err := url.ParseQuery(text)
	if err != nil || !ok {
		return errors.New("not a token")
	}
	kind := ""
	if e.serverless {
		kind = "ServerlessCache"
	}
	for name, want := range map[string]string{"Action": "connect", "User": user, "ResourceType": kind, "X-Amz-Expires": "900",
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-SignedHeaders": "host"} {
		if query.Get(name) != want {
			return fmt.Errorf("%s is %q, not %q", name, query.Get(name), want)
		}
	}
	made, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	if err != nil || host != e.name {
		return fmt.Errorf("of cache %q, %w", host, err)
	}
	if age := time.Since(made); age > 15*time.Minute || age < -5*time.Minute {
		return fmt.Errorf("the token is %s old", age)
	}
	return e.table.verify(host, query, made)
}

// An iamTable gives out credentials of a role, as EKS Pod Identity does, and verifies what they sign.
type iamTable struct {
	url    string
	denied atomic.Bool // elasticache:Connect

	mu   sync.Mutex
	keys map[string]iamKeys // by access key
	used map[string]bool    // access keys that have signed tokens
}

type iamKeys struct {
	secret, session string
	ends            time.Time
}

// rotation is how often the SDK asks for new credentials. They are in force for some seconds more.
const rotation = 3 * time.Second

func newIAMTable(t *testing.T) *iamTable {
	t.Helper()
	table := &iamTable{keys: map[string]iamKeys{}, used: map[string]bool{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		access, k := table.issue(time.Now().Add(rotation + 6*time.Second))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"AccessKeyId": access, "SecretAccessKey": k.secret, "Token": k.session,
			"Expiration": time.Now().Add(5*time.Minute + rotation).UTC()}) // the SDK renews them 5 minutes before
	}))
	t.Cleanup(s.Close)
	table.url = s.URL + "/credentials"
	return table
}

func (t *iamTable) issue(ends time.Time) (access string, k iamKeys) {
	access, k = "ASIA"+rand.Text()[:16], iamKeys{secret: rand.Text(), session: rand.Text() + "/+==", ends: ends}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[access] = k
	return access, k
}

// distinct is the number of access keys that have signed tokens.
func (t *iamTable) distinct() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.used)
}

// verify makes the signature again (IAM User Guide, "Create a signed AWS API request").
func (t *iamTable) verify(host string, query url.Values, made time.Time) error {
	signature := query.Get("X-Amz-Signature")
	query.Del("X-Amz-Signature")
	access, scope, _ := strings.Cut(query.Get("X-Amz-Credential"), "/")
	day := made.Format("20060102")
	if want := day + "/" + elastiCacheRegion + "/elasticache/aws4_request"; scope != want {
		return fmt.Errorf("scope is %s, not %s", scope, want)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, known := t.keys[access]
	if !known || time.Now().After(k.ends) || query.Get("X-Amz-Security-Token") != k.session || t.denied.Load() {
		return errors.New("the credentials are unknown, have ended, or may not connect")
	}
	nothing := sha256.Sum256(nil)
	request := "GET\n/\n" + query.Encode() + "\nhost:" + host + "\n\nhost\n" + hex.EncodeToString(nothing[:])
	hash := sha256.Sum256([]byte(request))
	key := []byte("AWS4" + k.secret)
	for _, part := range []string{day, elastiCacheRegion, "elasticache", "aws4_request",
		"AWS4-HMAC-SHA256\n" + made.Format("20060102T150405Z") + "\n" + scope + "\n" + hex.EncodeToString(hash[:])} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return errors.New("the signature is wrong")
	}
	t.used[access] = true
	return nil
}
