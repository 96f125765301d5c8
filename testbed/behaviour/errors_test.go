//go:build testbed

package behaviour

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// wrongPatience is how long a mistake may take to be told. Where the answer is at hand it comes within a second; the
// rest is for a busy machine.
const wrongPatience = 20 * time.Second

// wrongAgain is how long a connector may take to notice that the cause is gone: what only a person
// can change is looked at every 30 s.
const wrongAgain = 60 * time.Second

// wrongTell waits until the process has logged an error with all these words.
func wrongTell(t *testing.T, p *millraceProcess, words ...string) {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < wrongPatience {
		for _, line := range badLog(p) {
			text, _ := line["error"].(string)
			if line["level"] == "ERROR" && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
				t.Logf("after %.1f s: %s: %s", time.Since(begin).Seconds(), line["msg"], text)
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no error says %q; log:\n%s", words, lastLines(p.log.String(), 20))
}

// wrongRun starts a process whose log can be read by badLog.
func wrongRun(t *testing.T, config string) *millraceProcess {
	t.Helper()
	return startMillrace(t, config, "--log", "json", "--status", "500ms")
}

// wrongProduce writes n good records into a new topic of two partitions.
func wrongProduce(t *testing.T, brokers *testbed.Brokers, n int) *badTopic {
	t.Helper()
	topic := &badTopic{name: brokers.Topic(t, 2), records: make([][]*kgo.Record, 2)}
	wrongAdd(t, brokers, topic, n)
	return topic
}

func wrongAdd(t *testing.T, brokers *testbed.Brokers, topic *badTopic, n int) {
	t.Helper()
	client := badProducer(t, brokers)
	var all []*kgo.Record
	for range n {
		r := badGood(topic.goods)
		r.Topic, r.Partition = topic.name, int32(topic.goods%2)
		topic.records[r.Partition] = append(topic.records[r.Partition], r)
		topic.goods++
		all = append(all, r)
	}
	if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// wrongDone waits until a group stands at the topic's end.
func wrongDone(t *testing.T, brokers *testbed.Brokers, group string, topic *badTopic) {
	t.Helper()
	testbed.WaitUntil(t, wrongAgain, group+" to be at the end", func() bool { return badDone(t, brokers, group, topic) })
}

// A wrongRelay is an address where nobody listens, until it is opened: then it leads to another one.
type wrongRelay struct{ addr, to string }

func newWrongRelay(t *testing.T, to string) *wrongRelay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return &wrongRelay{l.Addr().String(), to}
}

func (r *wrongRelay) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", r.to)
			if err != nil {
				from.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
}

// TestWrongBrokers: an address where no Kafka is, in all the ways in which that happens.
func TestWrongBrokers(t *testing.T) {
	t.Parallel()
	brokers, redis, redisTLS := testbed.Kafka(t), testbed.RedisServer(t), testbed.RedisTLS(t)
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	plain := strings.Join(brokers.Addrs, ",")
	for _, test := range []struct {
		name, addr, settings string
		words                []string
	}{
		{"nobody", newWrongRelay(t, "").addr, "", []string{"none of them answers", "connection refused"}},
		{"no such host", "kafka.invalid:9092", "", []string{"none of them answers", "no such host"}},
		{"Redis", redis.Addrs[0], ", dial_timeout: 1s", []string{"none of them answers", "check brokers and tls.enabled"}},
		{"a web server", web.Listener.Addr().String(), ", dial_timeout: 1s", []string{"none of them answers", "check brokers"}},
		{"TLS where it is plain", plain, ", dial_timeout: 1s, tls: {enabled: true}", []string{"none of them answers", "tls.enabled"}},
		{"plain where it is TLS", redisTLS.Addrs[0], ", dial_timeout: 1s", []string{"none of them answers", "tls.enabled"}},
		{"an unknown authority", redisTLS.Addrs[0], ", dial_timeout: 1s, tls: {enabled: true}", []string{"none of them answers", "tls.ca_file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := wrongRun(t, fmt.Sprintf("name: cars\nsource: {kafka: {brokers: %q, topics: [cars]%s}}\nsink: stdout\n", test.addr, test.settings))
			wrongTell(t, p, append(test.words, "connector cars", "source kafka", "brokers "+test.addr)...)
			p.stop()
		})
	}
}

// TestWrongBrokersThenRight: the connector begins by itself when the brokers answer.
func TestWrongBrokersThenRight(t *testing.T) {
	t.Parallel()
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	topic, group := wrongProduce(t, brokers, 100), testbed.Name(t)
	relay := newWrongRelay(t, brokers.Addrs[0])
	p := wrongRun(t, badConnector(group, "geo", relay.addr, topic.name, redis.Addrs[0], group, ""))
	wrongTell(t, p, "connection refused", "brokers "+relay.addr)
	relay.open(t)
	wrongDone(t, brokers, group, topic)
	p.stop()
	badCheckGeo(t, redis, group, topic)
}

// TestWrongTopic: topics that don't exist, for the source and for the dead letter, and then they do.
func TestWrongTopic(t *testing.T) {
	t.Parallel()
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	topic, group := wrongProduce(t, brokers, 100), testbed.Name(t)
	other := &badTopic{name: topic.name + "s", records: make([][]*kgo.Record, 2)}
	addrs := strings.Join(brokers.Addrs, ",")
	p := wrongRun(t, badConnector(group+"-a", "geo", addrs, other.name, redis.Addrs[0], group+"-a", "")+
		badConnector(group+"-b", "geo", addrs, topic.name, redis.Addrs[0], group+"-b", fmt.Sprintf("{kafka: %s.dead}", topic.name))+
		badConnector(group+"-c", "geo", addrs, topic.name, redis.Addrs[0], group+"-c", ""))
	wrongTell(t, p, "connector "+group+"-a", "topics: topic", `"`+other.name+`" doesn't exist`, "there is "+topic.name)
	wrongTell(t, p, "connector "+group+"-b", "topic of the dead letter", `"`+topic.name+`.dead" doesn't exist`)
	wrongDone(t, brokers, group+"-c", topic)
	brokers.CreateTopic(t, topic.name+".dead", 1)
	brokers.CreateTopic(t, other.name, 2)
	wrongAdd(t, brokers, other, 50)
	wrongDone(t, brokers, group+"-a", other)
	wrongDone(t, brokers, group+"-b", topic)
	p.stop()
	badCheckGeo(t, redis, group+"-a", other)
	badCheckGeo(t, redis, group+"-b", topic)
	badCheckGeo(t, redis, group+"-c", topic)
}

// TestWrongGroup: a group that the brokers refuse, before it is joined and at the join. In the end the broker dies and comes back.
func TestWrongGroup(t *testing.T) {
	t.Parallel()
	brokers := testbed.StartKafka(t, testbed.KafkaOptions{Config: map[string]string{
		"authorizer.class.name":            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"allow.everyone.if.no.acl.found":   "true",
		"group.initial.rebalance.delay.ms": "0",
	}})
	redis := testbed.RedisServer(t)
	topic, group := wrongProduce(t, brokers, 100), testbed.Name(t)
	acls := func() *kadm.ACLBuilder {
		return kadm.NewACLs().Groups(group).ResourcePatternType(kadm.ACLPatternLiteral)
	}
	all := acls().Allow("User:ANONYMOUS").AllowHosts().Operations(kadm.OpAny).Deny("User:ANONYMOUS").DenyHosts()
	allow := func() {
		t.Helper()
		if _, err := brokers.Admin(t).DeleteACLs(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	// No word about the group's offsets.
	wrongACL(t, brokers, acls().Deny("User:ANONYMOUS").DenyHosts().Operations(kadm.OpAll))
	admin := brokers.Admin(t)
	testbed.WaitUntil(t, wrongPatience, "the group to be refused", func() bool {
		_, err := admin.FetchOffsets(t.Context(), group)
		return errors.Is(err, kerr.GroupAuthorizationFailed)
	})
	p := wrongRun(t, badConnector(group, "geo", strings.Join(brokers.Addrs, ","), topic.name, redis.Addrs[0], group, ""))
	wrongTell(t, p, "group", group, "is refused: allow this principal READ on the group")
	p.stop()
	allow()

	// It may be looked at but not joined.
	wrongACL(t, brokers, acls().Allow("User:ANONYMOUS").AllowHosts().Operations(kadm.OpDescribe))
	p = wrongRun(t, badConnector(group, "geo", strings.Join(brokers.Addrs, ","), topic.name, redis.Addrs[0], group, ""))
	wrongTell(t, p, "join group "+group, "is refused: allow this principal READ on the group")
	testbed.WaitUntil(t, wrongPatience, "the status to tell", func() bool {
		return badLogged(p, "status", "is refused") != nil
	})
	allow()
	wrongDone(t, brokers, group, topic)
	p.stop()
	badCheckGeo(t, redis, group, topic)

	// The broker goes, and comes back.
	p = wrongRun(t, badConnector(group, "geo", strings.Join(brokers.Addrs, ","), topic.name, redis.Addrs[0], group, ""))
	testbed.WaitUntil(t, wrongPatience, "the group to be joined", func() bool { return badLogged(p, "assigned") != nil })
	brokers.Nodes[0].Kill()
	wrongTell(t, p, "connect to broker "+brokers.Addrs[0], "connection refused")
	if err := brokers.Nodes[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrongAdd(t, brokers, topic, 100)
	wrongDone(t, brokers, group, topic)
	p.stop()
	badCheckGeo(t, redis, group, topic)
}

func wrongACL(t *testing.T, brokers *testbed.Brokers, b *kadm.ACLBuilder) {
	t.Helper()
	results, err := brokers.Admin(t).CreateACLs(t.Context(), b)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil || len(results) == 0 {
		t.Fatalf("create %d ACLs: %v", len(results), err)
	}
}

// TestWrongDisk: the disk is full, and then it isn't. Where no small file system can be mounted, the limit of file
// sizes stands in for it; that one is tested in any case.
func TestWrongDisk(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{true, false} {
		t.Run(fmt.Sprintf("full=%t", full), func(t *testing.T) {
			t.Parallel()
			brokers := testbed.Kafka(t)
			topic, group := wrongProduce(t, brokers, 2), testbed.Name(t)
			dir := t.TempDir()
			ballast := filepath.Join(dir, "ballast")
			if full && !wrongMount(t, dir) {
				full = false
			}
			p := wrongRun(t, badConnector(group, "files", strings.Join(brokers.Addrs, ","), topic.name, "", dir, ""))
			wrongDone(t, brokers, group, topic)
			words, repair := []string{"no space left on device", "the file system of dir is full"}, func() { _ = os.Remove(ballast) }
			if full {
				if err := os.WriteFile(ballast, make([]byte, 1900<<10), 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				wrongFileLimit(t, p, 16<<10)
				words, repair = []string{"file too large", "ulimit -f"}, func() { wrongFileLimit(t, p, 1<<40) }
			}
			wrongAdd(t, brokers, topic, 8000)
			wrongTell(t, p, append(words, "write "+dir, "dir: "+dir)...)
			testbed.WaitUntil(t, wrongPatience, "the status to tell", func() bool {
				line := badLogged(p, "status", words...)
				return line != nil && line["blocked"] != nil
			})
			repair()
			wrongDone(t, brokers, group, topic)
			p.stop()
			badCheckLines(t, dir, topic)
		})
	}
}

// wrongMount mounts a file system of 2 MiB, if this user may.
func wrongMount(t *testing.T, dir string) bool {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("no file system of its own for this test: %v", err)
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return true
}

// wrongFileLimit sets the longest file that a running process may write (prlimit(2)).
func wrongFileLimit(t *testing.T, p *millraceProcess, bytes uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Fatalf("prlimit: %v", errno)
	}
}

// TestWrongRedis: a Redis that isn't there, or doesn't let this one in.
func TestWrongRedis(t *testing.T) {
	t.Parallel()
	brokers, plain, secure := testbed.Kafka(t), testbed.RedisServer(t), testbed.RedisTLS(t)
	topic := wrongProduce(t, brokers, 1)
	stranger := wrongAuthority(t)
	tls := func(ca string) string { return fmt.Sprintf(", tls: {enabled: true, ca_file: %q}", ca) }
	user := func(name, password string) string { return fmt.Sprintf(", username: %q, password: %q", name, password) }
	for _, test := range []struct {
		name, addr, settings string
		words                []string
	}{
		{"nobody", newWrongRelay(t, "").addr, "", []string{"connection refused", "look at addrs"}},
		{"no such host", "redis.invalid:6379", "", []string{"no such host", "look at addrs"}},
		{"Kafka", brokers.Addrs[0], "", []string{"look at addrs"}},
		{"a user who isn't", plain.Addrs[0], user("nobody", "nobody-knows-it"), []string{"WRONGPASS", "username and password"}},
		{"a wrong password", secure.Addrs[0], user(secure.Username, "nobody-knows-it") + tls(secure.CAFile), []string{"WRONGPASS", "username and password"}},
		{"no password", secure.Addrs[0], tls(secure.CAFile), []string{"NOAUTH", "set username and password"}},
		{"a strange authority", secure.Addrs[0], user(secure.Username, secure.Password) + tls(stranger), []string{"certificate", "tls.ca_file"}},
		{"the system's authorities", secure.Addrs[0], user(secure.Username, secure.Password) + ", tls: {enabled: true}", []string{"certificate", "tls.ca_file"}},
		{"another name", secure.Addrs[0], user(secure.Username, secure.Password) +
			fmt.Sprintf(", tls: {enabled: true, ca_file: %q, server_name: redis.example.org}", secure.CAFile), []string{"redis.example.org", "tls.server_name"}},
		{"no TLS", secure.Addrs[0], user(secure.Username, secure.Password), []string{"tls.enabled"}},
		{"TLS where it is plain", plain.Addrs[0], tls(secure.CAFile), []string{"tls.enabled"}},
		{"no such file", secure.Addrs[0], tls("/nowhere/ca.crt"), []string{"tls.ca_file", "/nowhere/ca.crt", "no such file"}},
		{"no such database", plain.Addrs[0], ", db: 99", []string{"look at db"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := wrongRun(t, fmt.Sprintf("name: cars\nsource: {kafka: {brokers: %q, topics: [%s]}}\n"+
				"sink: {redis_geo: {addrs: %q, key: k, longitude: value.lng, latitude: value.lat%s}}\n", strings.Join(brokers.Addrs, ","), topic.name, test.addr, test.settings))
			wrongTell(t, p, append(test.words, "connector cars", "sink redis_geo")...)
			p.stop()
			if log := p.log.String(); strings.Contains(log, "nobody-knows-it") || strings.Contains(log, secure.Password) {
				t.Errorf("the log tells the password:\n%s", log)
			}
		})
	}
}

// TestWrongRedisThenRight: the connector begins by itself when Redis answers.
func TestWrongRedisThenRight(t *testing.T) {
	t.Parallel()
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	topic, group := wrongProduce(t, brokers, 100), testbed.Name(t)
	relay := newWrongRelay(t, redis.Addrs[0])
	p := wrongRun(t, badConnector(group, "geo", strings.Join(brokers.Addrs, ","), topic.name, relay.addr, group, ""))
	wrongTell(t, p, "connection refused", relay.addr, "look at addrs")
	relay.open(t)
	wrongDone(t, brokers, group, topic)
	p.stop()
	badCheckGeo(t, redis, group, topic)
}

// wrongAuthority writes the certificate of an authority that signed nothing.
func wrongAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "stranger.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestWrongAlone: a connector that can never work ends, says why, and the other one goes on; the command fails at the end.
func TestWrongAlone(t *testing.T) {
	t.Parallel()
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	topic, group := wrongProduce(t, brokers, 100), testbed.Name(t)
	addrs := strings.Join(brokers.Addrs, ",")
	fatal := badConnector(group+"-wrong", "geo", addrs, topic.name, redis.Addrs[0], group+"-wrong", "")
	fatal = strings.Replace(fatal, "session_timeout: 6s", "session_timeout: 45m", 1) // brokers allow 30 minutes
	p := wrongRun(t, fatal+badConnector(group+"-right", "geo", addrs, topic.name, redis.Addrs[0], group+"-right", ""))
	wrongTell(t, p, "session_timeout", "group.max.session.timeout.ms", group+"-wrong")
	testbed.WaitUntil(t, wrongPatience, "the connector to end", func() bool {
		return badLogged(p, "failed", "session_timeout", group+"-wrong") != nil
	})
	wrongDone(t, brokers, group+"-right", topic)
	wrongAdd(t, brokers, topic, 100) // still there
	wrongDone(t, brokers, group+"-right", topic)
	if code := wrongExit(t, p); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(p.log.String(), "1 of 2 connectors failed: "+group+"-wrong") {
		t.Errorf("the end of the log:\n%s", lastLines(p.log.String(), 5))
	}
	badCheckGeo(t, redis, group+"-right", topic)
}

// wrongExit asks the process to end, and returns its exit code.
func wrongExit(t *testing.T, p *millraceProcess) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(badPatience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // its code tells
	return p.cmd.ProcessState.ExitCode()
}
