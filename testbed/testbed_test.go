package testbed

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d twice", p)
		}
		seen[p] = true
		l, err := net.Listen("tcp", local(p))
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}

func TestKafkaProperties(t *testing.T) {
	ports := []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	got := string(properties("data", 2, ports, map[string]string{"message.max.bytes": "5", "min.insync.replicas": "1"}))
	for _, want := range []string{
		"node.id=2",
		"listeners=CLIENT://127.0.0.1:4,PEER://127.0.0.1:5,CONTROLLER://127.0.0.1:6",
		"controller.quorum.voters=1@127.0.0.1:3,2@127.0.0.1:6,3@127.0.0.1:9",
		"default.replication.factor=3",
		"log.dirs=data/kafka-2",
		"message.max.bytes=5",
		"min.insync.replicas=1",
	} {
		if !strings.Contains("\n"+got, "\n"+want+"\n") {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "0.0.0.0") || strings.Contains(got, "://:") {
		t.Errorf("listens to more than this machine:\n%s", got)
	}
}

// The authority's certificates hold for 127.0.0.1, and only for who trusts it.
func TestAuthority(t *testing.T) {
	dir := t.TempDir()
	ca, err := newAuthority(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := ca.issue(dir, "server")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{CAFile: filepath.Join(dir, "ca.crt")}
	verify := func(roots *x509.CertPool, name string) error {
		_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		return err
	}
	if err := verify(r.TLS(t).RootCAs, "127.0.0.1"); err != nil {
		t.Error(err)
	}
	if verify(r.TLS(t).RootCAs, "example.com") == nil {
		t.Error("the certificate holds for example.com")
	}
	if verify(x509.NewCertPool(), "127.0.0.1") == nil {
		t.Error("the certificate needs no authority")
	}
}

// S3 takes buckets of 3 to 63 small letters, digits and hyphens.
func TestBucketName(t *testing.T) {
	t.Run(strings.Repeat("A_long/Name ", 20), func(t *testing.T) {
		one, two := bucketName(t), bucketName(t)
		if one == two {
			t.Errorf("%s twice", one)
		}
		if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`).MatchString(one) {
			t.Errorf("name %q", one)
		}
	})
}

// What can't be made leaves nothing in the cache, and what is there isn't made again.
func TestCached(t *testing.T) {
	t.Setenv("MILLRACE_CACHE", t.TempDir())
	broken := errors.New("broken")
	if _, err := cached("it", func(string) (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	made := 0
	for range 2 {
		path, err := cached("it", func(dir string) (string, error) {
			made++
			return filepath.Join(dir, "it"), os.WriteFile(filepath.Join(dir, "it"), nil, 0o600)
		})
		if err != nil || filepath.Base(path) != "it" {
			t.Fatalf("path %s, %v", path, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("MILLRACE_CACHE"), "*"))
	if made != 1 || len(left) != 1 || err != nil {
		t.Errorf("made %d times; the cache has %q, %v", made, left, err)
	}
}

// What a download needs is named where it isn't there.
func TestDownloadsElsewhere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("MILLRACE_CACHE", t.TempDir())
	for i, want := range []string{"maven", "go command"} { // moto's Python is looked for beside the PATH too
		if _, err := Downloads()[i].Get(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", Downloads()[i].Name, err)
		}
	}
}

func TestName(t *testing.T) {
	t.Run("a b/c=é", func(t *testing.T) {
		one, two := Name(t), Name(t)
		if one == two {
			t.Errorf("%s twice", one)
		}
		if !strings.HasPrefix(one, "TestName-a-b-c.") || strings.ContainsAny(one, " /=") {
			t.Errorf("name %q", one)
		}
	})
}

// Shared services are taken as the environment names them.
func TestShared(t *testing.T) {
	t.Setenv(EnvKafka, "127.0.0.1:1")
	t.Setenv(EnvRedisCluster, "127.0.0.1:1,127.0.0.1:2")
	t.Setenv(EnvRedisTLS, "127.0.0.1:3")
	t.Setenv(EnvRedisUser, "u")
	if k := Kafka(t); len(k.Addrs) != 1 || k.Nodes != nil {
		t.Errorf("kafka %+v", k)
	}
	if r := RedisCluster(t); len(r.Addrs) != 2 || r.Nodes != nil {
		t.Errorf("redis cluster %+v", r)
	}
	t.Setenv(EnvS3, "http://127.0.0.1:4")
	t.Setenv(EnvS3AccessKey, "a")
	t.Setenv(EnvS3SecretKey, "s")
	t.Setenv(EnvMoto, "http://127.0.0.1:5")
	if s := S3Server(t); s.Endpoint != "http://127.0.0.1:4" || s.AccessKey != "a" || s.SecretKey != "s" || s.Nodes != nil {
		t.Errorf("s3 %+v", s)
	}
	if m := Moto(t); m.Endpoint != "http://127.0.0.1:5" || m.Nodes != nil {
		t.Errorf("moto %+v", m)
	}
	if r := RedisTLS(t); r.Addrs[0] != "127.0.0.1:3" || r.Username != "u" {
		t.Errorf("redis with TLS %+v", r)
	}
}

// What can't be installed is named with what to do.
func TestInstallElsewhere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Install(t.Context(), Tools())
	if err == nil || !strings.Contains(err.Error(), "install by hand") || !strings.Contains(err.Error(), "redis-server") {
		t.Errorf("error %v", err)
	}
}
