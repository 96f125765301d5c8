//go:build testbed

package behaviour

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// connectionLimit stands for the 12 hours after which ElastiCache closes a connection that hasn't authenticated again.
const connectionLimit = 5 * time.Second

// Connections authenticate anew every second, credentials rotate every three: nothing fails, nothing is lost.
func TestElastiCache(t *testing.T) {
	for name, real := range map[string]func(testing.TB) *testbed.Redis{"replication group": testbed.RedisTLS, "serverless": testbed.RedisCluster} {
		t.Run(name, func(t *testing.T) {
			f := newGeoFlow(t, real(t))
			p := f.start("reauth_after: 1s")
			f.produce(30_000)
			f.written()
			p.stop()
			f.check(p)
			if cut, refused := f.cache.cut.Load(), f.cache.refused.Load(); cut > 0 || refused > 0 {
				t.Errorf("%d connections were cut, %d logins refused", cut, refused)
			}
			for _, trouble := range []string{"level=WARN", "level=ERROR", "retrying", "blocked"} {
				if strings.Contains(p.log.String(), trouble) {
					t.Errorf("something failed:\n%s", lastLines(p.log.String(), 40))
					break
				}
			}
			if n := f.cache.table.distinct(); n < 3 {
				t.Errorf("tokens were signed by %d credentials, want several", n)
			}
		})
	}
}

// What TestElastiCache shows is worth something: without new logins connections are cut. The connector sends again, so
// that nothing is lost even then.
func TestElastiCacheCutsConnections(t *testing.T) {
	f := newGeoFlow(t, testbed.RedisTLS(t))
	p := f.start("reauth_after: 11h")
	f.produce(20_000)
	f.written()
	p.says("retrying")
	p.stop()
	f.check(p)
	if f.cache.cut.Load() == 0 {
		t.Error("no connection was cut")
	}
}

// The right to connect is taken away and given back: the log says what is missing, and nothing is lost.
func TestElastiCacheRefuses(t *testing.T) {
	f := newGeoFlow(t, testbed.RedisTLS(t))
	p := f.start("reauth_after: 1s")
	f.produce(5_000)
	f.written()
	f.cache.table.denied.Store(true)
	f.produce(5_000)
	p.says("elasticache:Connect", "replication group "+f.cache.name, "user "+f.cache.user)
	f.cache.table.denied.Store(false)
	f.written()
	p.stop()
	f.check(p)
}

// The double takes only what ElastiCache would.
func TestElastiCacheDouble(t *testing.T) {
	e := &elastiCache{table: &iamTable{keys: map[string]iamKeys{}, used: map[string]bool{}}, name: "my-cache", user: "u"}
	live, keys := e.table.issue(time.Now().Add(time.Minute))
	ended, old := e.table.issue(time.Now().Add(-time.Minute))
	sign := func(url, access string, k iamKeys, region string, at time.Time) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		nothing := sha256.Sum256(nil)
		c := aws.Credentials{AccessKeyID: access, SecretAccessKey: k.secret, SessionToken: k.session}
		signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), c, r, hex.EncodeToString(nothing[:]), "elasticache", region, at)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(signed, "http://")
	}
	const good, serverless = "my-cache/?Action=connect&User=u&X-Amz-Expires=900", "my-cache/?Action=connect&ResourceType=ServerlessCache&User=u&X-Amz-Expires=900"
	forged := keys
	forged.secret = "forged"
	now := time.Now()
	for name, tc := range map[string]struct {
		user, token string
		serverless  bool
		taken       bool
	}{
		"good":               {"u", sign(good, live, keys, elastiCacheRegion, now), false, true},
		"serverless":         {"u", sign(serverless, live, keys, elastiCacheRegion, now), true, true},
		"made 14 min ago":    {"u", sign(good, live, keys, elastiCacheRegion, now.Add(-14*time.Minute)), false, true},
		"made 16 min ago":    {"u", sign(good, live, keys, elastiCacheRegion, now.Add(-16*time.Minute)), false, false},
		"of another user":    {"v", sign(good, live, keys, elastiCacheRegion, now), false, false},
		"for another user":   {"u", sign("my-cache/?Action=connect&User=v&X-Amz-Expires=900", live, keys, elastiCacheRegion, now), false, false},
		"of another cache":   {"u", sign("other/?Action=connect&User=u&X-Amz-Expires=900", live, keys, elastiCacheRegion, now), false, false},
		"of another region":  {"u", sign(good, live, keys, "us-east-1", now), false, false},
		"not for serverless": {"u", sign(good, live, keys, elastiCacheRegion, now), true, false},
		"only serverless":    {"u", sign(serverless, live, keys, elastiCacheRegion, now), false, false},
		"ended credentials":  {"u", sign(good, ended, old, elastiCacheRegion, now), false, false},
		"forged":             {"u", sign(good, live, forged, elastiCacheRegion, now), false, false},
		"a password":         {"u", "hunter2", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := &elastiCache{table: e.table, name: e.name, user: e.user, serverless: tc.serverless}
			if err := e.check(tc.user, tc.token); (err == nil) != tc.taken {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A geoFlow goes from a topic into a geo set behind an elastiCache.
type geoFlow struct {
	t        *testing.T
	real     *testbed.Redis
	cache    *elastiCache
	kafka    *testbed.Brokers
	topic    string
	group    string
	produced int64
}

func newGeoFlow(t *testing.T, real *testbed.Redis) *geoFlow {
	t.Helper()
	f := &geoFlow{t: t, real: real, cache: newElastiCache(t, real, connectionLimit), kafka: testbed.Kafka(t), group: testbed.Name(t)}
	f.topic = f.kafka.Topic(t, flowPartitions)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", elastiCacheRegion)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f.cache.table.url) // as EKS Pod Identity sets it
	return f
}

func (f *geoFlow) start(iam string) *millraceProcess {
	f.t.Helper()
	return startMillrace(f.t, fmt.Sprintf(`
name: %[1]s
source: {kafka: {brokers: %[2]q, topics: [%[3]s], session_timeout: 6s, start: earliest}}
sink:
  redis_geo: {addrs: %[4]q, username: %[5]s, tls: {enabled: true, ca_file: %[6]q}, iam: {cache: %[7]s, serverless: %[8]t, %[9]s},
    key: %[1]s, member: value.car, longitude: value.lng, latitude: value.lat, write: newest}
`, f.group, strings.Join(f.kafka.Addrs, ","), f.topic, strings.Join(f.cache.addrs, ","), f.cache.user, f.cache.caFile, f.cache.name, f.cache.serverless, iam))
}

// produce writes n records at about 2,000 a second, so that connections come of age meanwhile.
func (f *geoFlow) produce(n int64) {
	f.t.Helper()
	client := f.kafka.Client(f.t, kgo.DefaultProduceTopic(f.topic))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range n / 100 {
		<-tick.C
		var records []*kgo.Record
		for range 100 {
			p := flowPosition(f.produced)
			records = append(records, &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())})
			f.produced++
		}
		if err := client.ProduceSync(f.t.Context(), records...).FirstErr(); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *geoFlow) written() {
	f.t.Helper()
	admin := f.kafka.Admin(f.t)
	testbed.WaitUntil(f.t, 2*time.Minute, "the group", func() bool { return committedSum(f.t, admin, f.group) == f.produced })
}

// check asks the real Redis where every member is, and looks for secrets in the log.
func (f *geoFlow) check(p *millraceProcess) {
	f.t.Helper()
	last := map[string]position{}
	for i := range f.produced {
		at := flowPosition(i)
		last[at.Car] = at
	}
	client := f.real.Client(f.t)
	wrong := checkGeo(f.t, client, f.group, last)
	f.t.Logf("%d members, %d wrong; %d logins taken, %d refused, by %d credentials; %d connections cut",
		len(last), wrong, f.cache.accepted.Load(), f.cache.refused.Load(), f.cache.table.distinct(), f.cache.cut.Load())
	if wrong > 0 {
		f.t.Errorf("%d of %d members aren't where their last record says", wrong, len(last))
	}
	for _, hidden := range []string{"X-Amz-Signature", "X-Amz-Security-Token"} {
		if strings.Contains(p.log.String(), hidden) {
			f.t.Errorf("the log shows %s", hidden)
		}
	}
	f.cache.table.mu.Lock()
	defer f.cache.table.mu.Unlock()
	for _, k := range f.cache.table.keys {
		if strings.Contains(p.log.String(), k.secret) || strings.Contains(p.log.String(), k.session) {
			f.t.Error("the log shows credentials")
		}
	}
}
