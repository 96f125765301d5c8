package testbed

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
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
	t.Setenv("MILLRACE_CACHE", t.TempDir())
	if _, err := KafkaJars(t.Context()); err == nil || !strings.Contains(err.Error(), "maven") {
		t.Errorf("error %v", err)
	}
}
