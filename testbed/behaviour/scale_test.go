//go:build testbed

package behaviour

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// A deployment is the processes that Kubernetes would run as pods of the chart, with rolling updates of one at a time.
type deployment struct {
	t      *testing.T
	config string
	pods   []*pod
}

// A pod is a process whose port is known.
type pod struct {
	*millraceProcess
	url string
}

var listening = regexp.MustCompile(`msg=listening .*address=(\S+)`)

// start starts a pod and waits until its readiness probe succeeds.
func (d *deployment) start() *pod {
	d.t.Helper()
	p := &pod{millraceProcess: startMillrace(d.t, d.config, "--http", "127.0.0.1:0")}
	testbed.WaitUntil(d.t, 30*time.Second, "the port", func() bool {
		found := listening.FindStringSubmatch(p.log.String())
		if found != nil {
			p.url = "http://" + found[1]
		}
		return found != nil
	})
	testbed.WaitUntil(d.t, time.Minute, "readiness", func() bool { code, _ := p.get("/readyz"); return code == http.StatusOK })
	return p
}

func (p *pod) get(path string) (code int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(p.url + path)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, ""
	}
	return answer.StatusCode, string(text)
}

// metric is the sum of a metric's values, as the pod shows them.
func (p *pod) metric(name string) (sum float64) {
	p.t.Helper()
	_, page := p.get("/metrics")
	for line := range strings.Lines(page) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' ')+1:]), 64)
		if err != nil {
			p.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// scale starts or stops pods until there are n.
func (d *deployment) scale(n int) {
	d.t.Helper()
	for len(d.pods) < n {
		d.pods = append(d.pods, d.start())
	}
	for len(d.pods) > n {
		d.pods[0].stop()
		d.pods = d.pods[1:]
	}
}

// roll replaces every pod: a new one is ready before an old one is told to stop.
func (d *deployment) roll() {
	d.t.Helper()
	for range d.pods {
		d.pods = append(d.pods, d.start())
		d.pods[0].stop()
		d.pods = d.pods[1:]
	}
}

var assigned = regexp.MustCompile(`(?m)^millrace_assigned_partitions\{[^}]*\} (\d+)$`)

// shares waits until the pods have these numbers of partitions, in any order.
func (d *deployment) shares(want string) {
	d.t.Helper()
	testbed.WaitUntil(d.t, time.Minute, "partitions shared out as "+want, func() bool {
		count := map[string]int{}
		for _, p := range d.pods {
			_, page := p.get("/metrics")
			if found := assigned.FindStringSubmatch(page); found != nil {
				count[found[1]]++
			}
		}
		return fmt.Sprint(count) == want
	})
}

// chartConfig is the connector of the chart's example, with names of its own.
func chartConfig(t *testing.T, rename ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/helm/examples/five-partitions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "config: |\n")
	if !ok {
		t.Fatal("the example has no config")
	}
	var b strings.Builder
	for line := range strings.Lines(block) {
		rest, indented := strings.CutPrefix(line, "  ")
		if !indented && strings.TrimSpace(line) != "" {
			break
		}
		b.WriteString(rest)
	}
	return strings.NewReplacer(rename...).Replace(b.String())
}

// The chart's example of one topic with five partitions runs as one process, five, five new ones, and two, while
// records come: none is lost, and each process is ready before the next step, as a rollout wants it.
func TestChartExampleIsScaledAndRolledOut(t *testing.T) {
	brokers, server := testbed.Kafka(t), testbed.RedisServer(t)
	topic, dead := brokers.Topic(t, 5), brokers.Topic(t, 1)
	group, key := testbed.Name(t), testbed.Name(t)
	t.Setenv("BROKERS", strings.Join(brokers.Addrs, ","))
	t.Setenv("REDIS_ADDRS", strings.Join(server.Addrs, ","))
	d := &deployment{t: t, config: chartConfig(t, "name: gps-to-redis", "name: "+group, "[cars.gps.json]", "["+topic+"]", "cars.gps.dlq", dead, `"cars#gps"`, key)}

	feed := startFeed(t, brokers, topic)

	d.scale(1)
	d.shares("map[5:1]")
	d.scale(5)
	d.shares("map[1:5]")
	d.roll()
	d.shares("map[1:5]")
	d.scale(2)
	d.shares("map[2:1 3:1]")
	before := feed.sent.Load()
	testbed.WaitUntil(t, time.Minute, "more records", func() bool { return feed.sent.Load() > before+1000 })
	sent := feed.stop()
	admin := brokers.Admin(t)
	testbed.WaitUntil(t, time.Minute, "all records committed", func() bool { return committedSum(t, admin, group) == sent })
	d.scale(0)

	members, err := server.Client(t).ZCard(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records through 1, 5, 5 new and 2 processes: %d members, %d lost", sent, members, sent-members)
	if members != sent {
		t.Errorf("%d members of %d records", members, sent)
	}
}

// drive sends positions of new cars, ten of them every ten milliseconds, until ctx ends.
func drive(ctx context.Context, client *kgo.Client, topic string, sent *atomic.Int64) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var records []*kgo.Record
		for range 10 {
			n := sent.Load() + int64(len(records))
			records = append(records, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "car-%d", n), Value: fmt.Appendf(nil, `{"lng":%f,"lat":37.5}`, 1+float64(n%1000)/10)})
		}
		if err := client.ProduceSync(context.WithoutCancel(ctx), records...).FirstErr(); err != nil {
			return err
		}
		sent.Add(int64(len(records)))
	}
}
