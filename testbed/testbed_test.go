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
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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

// Clients' certificates hold by the intermediate authority's, which their files bring along.
func TestIntermediate(t *testing.T) {
	b := &SecureBrokers{dir: t.TempDir(), CAFile: filepath.Join(t.TempDir(), "ca.crt")}
	if err := b.certify(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		issue func(testing.TB, string) (certFile, keyFile string)
		chain int
		holds bool
	}{
		"client":  {b.ClientCert, 2, true},
		"expired": {b.ExpiredCert, 2, false},
		"foreign": {b.ForeignCert, 1, false},
	} {
		cert, err := tls.LoadX509KeyPair(c.issue(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(cert.Certificate) != c.chain {
			t.Errorf("%s: a chain of %d", name, len(cert.Certificate))
		}
		between := x509.NewCertPool()
		for _, der := range cert.Certificate[1:] {
			ca, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			between.AddCert(ca)
		}
		_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: b.TLSConfig(t).RootCAs, Intermediates: between})
		if (err == nil) != c.holds {
			t.Errorf("%s: error %v", name, err)
		}
	}
	server, err := tls.LoadX509KeyPair(b.keyStore(), b.keyStore())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", iamHost} {
		if err := server.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

// The broker's plug-in reads the table as it is written here.
func TestCredentialTable(t *testing.T) {
	table, err := newCredentialTable(filepath.Join(t.TempDir(), "table"))
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		text, err := os.ReadFile(table.file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if text := read(); text != "" {
		t.Errorf("a new table holds %q", text)
	}
	user := table.NewUser(t, "alice")
	want := user.AccessKeyID + "\t" + user.SecretAccessKey + "\t\t0\tarn:aws:iam::111122223333:user/alice\n"
	if text := read(); text != want {
		t.Errorf("the table holds %q, want %q", text, want)
	}
	table.Remove(t, user.AccessKeyID)
	ends := time.UnixMilli(1_700_000_000_123)
	session := Credentials{
		Credentials: aws.Credentials{AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: ends},
		Principal:   AssumedRole("role", "pod"),
	}
	table.Put(t, session)
	if text := read(); text != "k\ts\tt\t1700000000123\tarn:aws:sts::111122223333:assumed-role/role/pod\n" {
		t.Errorf("the table holds %q", text)
	}
	table.Expire(t, "k")
	if text := read(); strings.Contains(text, "1700000000123") || strings.Contains(text, "\t0\t") {
		t.Errorf("the table holds %q", text)
	}
	session.Principal = "a\tb"
	if err := table.put(session); err == nil {
		t.Error("a principal with a tab was taken")
	}
}

// The node listens on 127.0.0.1 alone, and is known by MSK's name on one listener.
func TestSecureProperties(t *testing.T) {
	b := &SecureBrokers{Username: "u", Password: "p", Region: iamRegion, addrs: map[Listener]string{}, Credentials: &CredentialTable{file: "table"}}
	got := b.properties([]int{1, 2, 3, 4, 5, 6, 7, 8, 9}, 4*time.Second)
	for key, want := range map[string]string{
		"listeners": "CLIENT://127.0.0.1:1,PEER://127.0.0.1:2,CONTROLLER://127.0.0.1:3,SCRAM://127.0.0.1:4,PLAIN://127.0.0.1:5," +
			"MTLS://127.0.0.1:6,TLS://127.0.0.1:7,IAM://127.0.0.1:8,IAMLOCAL://127.0.0.1:9",
		"advertised.listeners": "CLIENT://127.0.0.1:1,PEER://127.0.0.1:2,SCRAM://127.0.0.1:4,PLAIN://127.0.0.1:5," +
			"MTLS://127.0.0.1:6,TLS://127.0.0.1:7,IAM://" + iamHost + ":8,IAMLOCAL://127.0.0.1:9",
		"listener.name.iam.sasl.enabled.mechanisms":                        "AWS_MSK_IAM,OAUTHBEARER",
		"listener.name.iam.aws_msk_iam.sasl.jaas.config":                   `IamLoginModule required table="table" attempts="" region="us-east-1";`,
		"listener.name.iamlocal.oauthbearer.connections.max.reauth.ms":     "4000",
		"listener.name.scram.scram-sha-512.connections.max.reauth.ms":      "4000",
		"listener.name.iam.oauthbearer.sasl.server.callback.handler.class": "IamCallbackHandler",
	} {
		if got[key] != want {
			t.Errorf("%s = %s\nwant %s", key, got[key], want)
		}
	}
	if b.Addr(IAM) != iamHost+":8" || b.Addr(MTLS) != "127.0.0.1:6" {
		t.Errorf("addresses %v", b.addrs)
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
	t.Setenv(EnvDynamoDB, "http://127.0.0.1:6")
	if d := DynamoDBLocal(t); d.Endpoint != "http://127.0.0.1:6" || d.Region == "" || d.Nodes != nil {
		t.Errorf("dynamodb %+v", d)
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

func TestJavaVersion(t *testing.T) {
	for said, want := range map[string]string{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment": "17",
		"javac 21.0.2\n":    "21",
		"javac 1.8.0_402":   "1",
		"command not found": "",
	} {
		got := ""
		if m := javaVersion.FindStringSubmatch(said); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%q is version %q, want %q", said, got, want)
		}
	}
}
