package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cars starts a Kafka with the examples' topics and 100 positions of 10 cars, of which one is no JSON and
// one has no position.
func cars(t *testing.T) (brokers string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "cars.gps.json"), kfake.SeedTopics(1, "cars.gps.dlq"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	brokers = strings.Join(cluster.ListenAddrs(), ",")
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("cars.gps.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	start := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	for i := range 100 {
		value := fmt.Sprintf(`{"lng":%.4f,"lat":40.4093}`, 49.8+float64(i)/1000)
		switch i {
		case 13:
			value = `{"lng":`
		case 17:
			value = `{"lng":0,"lat":0}`
		}
		r := kgo.Record{Key: fmt.Appendf(nil, "car-%d", i%10), Value: []byte(value), Timestamp: start.Add(time.Duration(i) * time.Second)}
		if err := client.ProduceSync(t.Context(), &r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return brokers
}

// deadLetters counts the records of the dead letter.
func deadLetters(t *testing.T, brokers string) (n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics("cars.gps.dlq"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
		n++
		if string(r.Value) != `{"lng":` {
			t.Errorf("dead letter %s", r.Value)
		}
	})
	return n
}

// runExample runs an example until ready is true, and then lets it drain.
func runExample(t *testing.T, file string, ready func() bool) {
	t.Helper()
	t.Setenv("GOMEMLIMIT", "off")
	signals := make(chan os.Signal, 2)
	ended := make(chan int, 1)
	var errs bytes.Buffer
	c := &command{in: strings.NewReader(""), out: io.Discard, err: &errs, signals: signals, plugins: plugins()}
	go func() { ended <- c.execute(context.Background(), []string{"run", file}) }()
	deadline := time.Now().Add(30 * time.Second)
	for !ready() && time.Now().Before(deadline) && len(ended) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	signals <- syscall.SIGTERM
	if code := <-ended; code != exitDone || !ready() {
		t.Fatalf("exit code %d\n%s", code, errs.String())
	}
}

func TestExampleGPSToRedis(t *testing.T) {
	brokers := cars(t)
	server := miniredis.RunT(t)
	t.Setenv("BROKERS", brokers)
	t.Setenv("REDIS_ADDRS", server.Addr())
	runExample(t, filepath.Join(root, "examples/gps-to-redis/millrace.yaml"), func() bool {
		members, _ := server.ZMembers("cars#gps")
		return len(members) == 10
	})
	if n := deadLetters(t, brokers); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

func TestExampleGPSToFiles(t *testing.T) {
	brokers, dir := cars(t), t.TempDir()
	t.Setenv("BROKERS", brokers)
	t.Setenv("FILES_DIR", dir)
	t.Setenv("FILES_AGE", "100ms")
	lines := func() (n int) {
		files, _ := filepath.Glob(filepath.Join(dir, "cars.gps.json", "2026-01-31", "*.gz"))
		for _, f := range files {
			n += countLines(t, f)
		}
		return n
	}
	runExample(t, filepath.Join(root, "examples/gps-to-files/millrace.yaml"), func() bool { return lines() == 99 })
	if n := deadLetters(t, brokers); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

func countLines(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		n++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPreviewLive looks at a topic without a group.
func TestPreviewLive(t *testing.T) {
	t.Setenv("BROKERS", cars(t))
	code, out, errs := millrace(t, plugins(), "", "preview", "--live", "5", filepath.Join(root, "examples/gps-to-redis/millrace.yaml"))
	if code != exitDone || strings.Count(out, "record for redis_geo") != 5 || !strings.Contains(out, `"lng":49.8990`) {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
}
