//go:build testbed

package behaviour

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/testbed"
)

// A gate stands in front of the S3 server, and answers every request itself while it is shut.
type gate struct {
	url    string
	shut   atomic.Bool
	turned atomic.Int64 // requests that it answered
}

// newGate answers by status and body while it is shut.
func newGate(t *testing.T, endpoint string, status int, body string) *gate {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.shut.Load() {
			g.turned.Add(1)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
		proxy.ServeHTTP(w, r) // with the client's Host, which is signed
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (l *lake) through(g *gate, config string) string {
	return strings.Replace(config, l.s3.Endpoint, g.url, 1)
}

// S3 asks to slow down for a while: nothing is lost, nothing repeated, and requests become few. MILLRACE_OUTAGE is how many seconds that is.
func TestSlowDownForAWhile(t *testing.T) {
	seconds := testbed.FromEnv(t, "MILLRACE_OUTAGE", 20)
	l := newLake(t, 4)
	g := newGate(t, l.s3.Endpoint, http.StatusServiceUnavailable, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	const records = 200_000
	produced := make(chan error, 1)
	go func() { produced <- l.produce(0, records, records/20) }()
	p := l.start(l.through(g, l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, "")))
	testbed.WaitUntil(t, time.Minute, "the first objects", func() bool { return len(l.objects()) > 4 })
	g.shut.Store(true)
	p.says("SlowDown", "retrying")
	time.Sleep(time.Duration(seconds) * time.Second)
	turned := g.turned.Load()
	g.shut.Store(false)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	l.written(records)
	peak := p.peak()
	p.stop()
	l.verify()
	l.count(records, all)
	t.Logf("%d requests were turned away in %d s; peak %d MiB resident", turned, seconds, peak)
	if turned > 4*200 {
		t.Errorf("%d requests in %d s of SlowDown is a storm", turned, seconds)
	}
}

// What somebody has to change blocks the partitions, says which setting is wrong, loses nothing, and goes on by itself when
// it is put right.
func TestS3SaysWhatIsWrong(t *testing.T) {
	expired := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>`
	denied := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`
	for name, c := range map[string]struct {
		status int
		body   string
		says   []string
	}{
		"expired credentials": {http.StatusBadRequest, expired, []string{"ExpiredToken", "credentials", "blocked"}},
		"access denied":       {http.StatusForbidden, denied, []string{"AccessDenied", "s3:", "blocked"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 1)
			g := newGate(t, l.s3.Endpoint, c.status, c.body)
			if err := l.produce(0, perRound, 0); err != nil {
				t.Fatal(err)
			}
			p := l.start(l.through(g, l.config(`path: "{topic}/", rotate: {age: 1s}`, "")))
			l.written(perRound)
			g.shut.Store(true)
			if err := l.produce(perRound, perRound, 0); err != nil {
				t.Fatal(err)
			}
			p.says(c.says...)
			g.shut.Store(false)
			l.written(2 * perRound)
			p.stop()
			l.verify()
			l.count(2*perRound, all)
		})
	}
}

// Settings that are wrong from the start are named, and right ones let the same data through.
func TestWrongS3Settings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *lake, config string) string
		says   []string
	}{
		"missing bucket": {func(l *lake, config string) string {
			return strings.Replace(config, "bucket: "+l.bucket, "bucket: "+l.bucket+"-nowhere", 1)
		}, []string{"NoSuchBucket", "bucket"}},
		"wrong region": {func(l *lake, config string) string {
			return strings.Replace(config, "region: "+l.s3.Region, "region: eu-north-1", 1)
		}, []string{"region"}},
		"wrong secret": {func(l *lake, config string) string {
			return strings.Replace(config, "secret_key: "+l.s3.SecretKey, "secret_key: wrong-wrong-wrong", 1)
		}, []string{"SignatureDoesNotMatch", "secret_key"}},
		"unknown key": {func(l *lake, config string) string {
			return strings.Replace(config, "access_key: "+l.s3.AccessKey, "access_key: nobody-knows-this", 1)
		}, []string{"InvalidAccessKeyId", "access_key"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 1)
			if err := l.produce(0, 100, 0); err != nil {
				t.Fatal(err)
			}
			right := l.config(`path: "{topic}/", rotate: {age: 1s}`, "")
			p := l.start(c.change(l, right))
			p.says(c.says...)
			if strings.Contains(p.log.String(), l.s3.SecretKey) || strings.Contains(p.log.String(), "wrong-wrong-wrong") {
				t.Error("the log shows the secret key")
			}
			p.kill()
			p = l.start(right)
			l.written(100)
			p.stop()
			l.verify()
			l.count(100, all)
		})
	}
}

// A user without rights on the bucket is told which one is missing.
func TestUserWithoutRights(t *testing.T) {
	l := newLake(t, 1)
	if err := l.produce(0, 100, 0); err != nil {
		t.Fatal(err)
	}
	user := l.s3.User(t, "guest")
	right := l.config(`path: "{topic}/", rotate: {age: 1s}`, "")
	p := l.start(strings.NewReplacer("access_key: "+l.s3.AccessKey, "access_key: "+user.AccessKey, "secret_key: "+l.s3.SecretKey, "secret_key: "+user.SecretKey).Replace(right))
	p.says("AccessDenied", "s3:", "blocked")
	p.kill()
}

// The server is killed in the middle and comes back: the files of the time are there once.
func TestS3ServerIsKilled(t *testing.T) {
	own := testbed.StartS3(t)
	l := &lake{t: t, s3: own, kafka: testbed.Kafka(t), group: testbed.Name(t)}
	l.bucket = own.Bucket(t)
	l.topic = l.kafka.Topic(t, 4)
	const records = 200_000
	produced := make(chan error, 1)
	go func() { produced <- l.produce(0, records, records/20) }()
	p := l.start(l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, ""))
	for range 3 {
		time.Sleep(5 * time.Second)
		own.Nodes[0].Kill()
		time.Sleep(2 * time.Second)
		if err := own.Nodes[0].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	l.written(records)
	p.stop()
	l.verify()
	l.count(records, all)
}

// A bucket whose rules would abort uploads or expire links too early is warned of.
func TestBucketRules(t *testing.T) {
	moto := testbed.Moto(t) // versitygw has no lifecycle rules
	l := &lake{t: t, s3: moto, kafka: testbed.Kafka(t), group: testbed.Name(t)}
	l.bucket = moto.Bucket(t)
	l.topic = l.kafka.Topic(t, 1)
	putRules(t, moto.Client(t), l.bucket)
	p := l.start(l.config(`path: "{topic}/"`, ""))
	p.says("aborts incomplete uploads after 1 days", "Set at least 7 days", "without links nothing is exactly once")
	p.stop()
}

func putRules(t *testing.T, client *s3.Client, bucket string) {
	t.Helper()
	_, err := client.PutBucketLifecycleConfiguration(t.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &bucket, LifecycleConfiguration: shortRules(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shortRules abort uploads after a day and expire everything after thirty.
func shortRules() *types.BucketLifecycleConfiguration {
	return &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{
		{ID: aws.String("uploads"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)}},
		{ID: aws.String("everything"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)}},
	}}
}
