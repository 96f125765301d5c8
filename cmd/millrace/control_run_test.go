package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	serdejson "github.com/millrace/millrace/serde/json"
)

// A controlledRun is a process with --control that reads two partitions of the topic "cars" without a dead letter.
type controlledRun struct {
	*bench
	client *kgo.Client
	at     string
	ended  chan int
	said   strings.Builder // by the commands
}

func runControlled(t *testing.T) *controlledRun {
	t.Helper()
	t.Setenv("GOMEMLIMIT", "off")
	t.Setenv(tokenVariable, canary("token"))
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "cars"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r := &controlledRun{bench: newBench(), client: client, ended: make(chan int, 1)}
	r.command.plugins = config.NewRegistry(
		config.Source("kafka", kafkaDefaults),
		config.Loader("fake", func() fakeSink { return fakeSink{bench: r.bench} }),
		config.DecoderOf("json", serdejson.DefaultConfig, serdejson.New),
	)
	file := write(t, "name: a\nsource: {kafka: {topics: [cars], brokers: ["+strings.Join(cluster.ListenAddrs(), ",")+"]}}\ndecode: {value: json, key: json}\nsink: fake\n")
	go func() { r.ended <- r.bench.run("--control", "127.0.0.1:0", "--log-level", "debug", file) }()
	r.at = r.address(t, "--control")
	return r
}

func (r *controlledRun) produce(t *testing.T, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := r.client.ProduceSync(t.Context(), &kgo.Record{Topic: "cars", Partition: partition, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// do runs a command against the process.
func (r *controlledRun) do(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	code, out, errs = millrace(t, plugins(), "", append(args, "--at", r.at)...)
	r.said.WriteString(out + errs)
	return code, out, errs
}

// until waits for a partition's state, and returns its status.
func (r *controlledRun) until(t *testing.T, id int, ready func(connector.PartitionStatus) bool) connector.PartitionStatus {
	t.Helper()
	var v view
	for start := time.Now(); time.Since(start) < 30*time.Second && len(r.ended) == 0; time.Sleep(5 * time.Millisecond) {
		code, out, errs := r.do(t, "status", "--json")
		if err := json.Unmarshal([]byte(out), &v); code != exitDone || err != nil {
			t.Fatalf("exit code %d, %v\n%s", code, err, errs)
		}
		if ps := v.Connectors[0].Partitions; len(ps) == 2 && ready(ps[id]) {
			return ps[id]
		}
	}
	t.Fatalf("never so: %+v\n%s", v.Connectors, r.errs.String())
	return connector.PartitionStatus{}
}

func state(s connector.State) func(connector.PartitionStatus) bool {
	return func(p connector.PartitionStatus) bool { return p.State == s }
}

func committed(n int64) func(connector.PartitionStatus) bool {
	return func(p connector.PartitionStatus) bool { return p.Committed == n }
}

// mustDo runs a command that must not fail.
func (r *controlledRun) mustDo(t *testing.T, args ...string) (out string) {
	t.Helper()
	code, out, errs := r.do(t, args...)
	if code != exitDone {
		t.Fatalf("%v: exit code %d\n%s%s\n%s", args, code, out, errs, r.errs.String())
	}
	return out
}

func (r *controlledRun) end(t *testing.T) {
	t.Helper()
	r.signals <- syscall.SIGTERM
	if code := <-r.ended; code != exitDone {
		t.Errorf("exit code %d\n%s", code, r.errs.String())
	}
	mustHide(t, "logs and answers", r.errs.String()+r.said.String())
}

func TestPauseOfAProcess(t *testing.T) {
	r := runControlled(t)
	r.until(t, 0, state(connector.StateRunning))
	r.until(t, 1, state(connector.StateRunning))
	if out := r.mustDo(t, "pause", "cars/0"); out != "connector a: paused cars/0\n" {
		t.Error(out)
	}
	r.until(t, 0, state(connector.StatePaused))
	r.produce(t, 0, "1")
	r.produce(t, 1, "2")
	r.until(t, 1, committed(1))
	if !slices.Equal(r.values(), []string{"2"}) {
		t.Errorf("loaded %v", r.values())
	}
	if out := r.mustDo(t, "status", "--check"); !strings.Contains(out, "0  paused ") || !strings.Contains(out, "1  running ") {
		t.Error(out)
	}
	if out := r.mustDo(t, "resume", "cars"); out != "connector a: resumed cars/0, cars/1\n" {
		t.Error(out)
	}
	r.until(t, 0, committed(1))
	r.until(t, 0, state(connector.StateRunning))
	for _, want := range []string{"change=pause connector=a partitions=cars/0", `change=resume connector=a partitions="cars/0, cars/1"`} {
		if !strings.Contains(r.errs.String(), want) {
			t.Errorf("no %s in\n%s", want, r.errs.String())
		}
	}
	r.end(t)
}

func TestSkipInAProcess(t *testing.T) {
	r := runControlled(t)
	r.produce(t, 0, "1", "{", "3")
	r.until(t, 0, committed(1))
	if p := r.until(t, 0, state(connector.StateHalted)); !strings.Contains(p.Error, "offset 1") {
		t.Error(p.Error)
	}
	if code, _, errs := r.do(t, "status", "--check"); code != exitFailed || errs != "error: cars 0 of connector a: halted\n" {
		t.Errorf("exit code %d %s", code, errs)
	}
	if code, _, errs := r.do(t, "skip", "cars/0/0", "--yes"); code != exitFailed || !strings.Contains(errs, "committed already") {
		t.Errorf("exit code %d %s", code, errs)
	}
	if out := r.mustDo(t, "skip", "cars/0/1", "--yes"); !strings.HasSuffix(out, "cars/0/1 is skipped.\n") {
		t.Error(out)
	}
	r.until(t, 0, committed(3))
	r.until(t, 0, state(connector.StateRunning))
	if !slices.Equal(r.values(), []string{"1", "3"}) {
		t.Errorf("loaded %v", r.values())
	}
	if out := r.mustDo(t, "status"); !strings.Contains(out, "1 skipped") && !strings.Contains(strings.Join(strings.Fields(out), " "), "1 skipped") {
		t.Error(out)
	}
	if want := "change=skip connector=a partitions=cars/0 offset=1"; !strings.Contains(r.errs.String(), want) {
		t.Errorf("no %s in\n%s", want, r.errs.String())
	}
	r.end(t)
}

// TestTokenNeverShows gives it by a file and by the environment, right and wrong.
func TestTokenNeverShows(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(canary("file")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(wrong, []byte(canary("wrong")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(bad, []byte(canary("b a d")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenVariable, canary("environment"))
	for _, flags := range [][]string{{"--control-token", token}, nil} {
		b := newBench()
		ended := make(chan int, 1)
		go func() {
			ended <- b.run(append(slices.Clone(flags), "--control", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "debug", "--log-payloads", file)...)
		}()
		at := b.address(t, "--control")
		said := ""
		for !strings.Contains(said, "connector a: running, 1 partition") {
			_, said, _ = millrace(t, plugins(), "", slices.Concat([]string{"status", "--at", at}, flags)...)
		}
		for _, args := range [][]string{{"status"}, {"status", "--json", "--check"}, {"pause", "t"}, {"resume"}, {"skip", "t/0/1", "--yes", "--force"}} {
			for _, way := range [][]string{flags, {"--control-token", wrong}, {"--control-token", bad}} {
				_, out, errs := millrace(t, plugins(), "", slices.Concat(args, way, []string{"--at", at})...)
				said += out + errs
			}
		}
		_, page := fetch(t, "http://"+b.address(t, "--http")+"/status")
		b.signals <- syscall.SIGTERM
		<-ended
		if !strings.Contains(b.errs.String(), "turned away") || !strings.Contains(b.errs.String(), "change=pause") {
			t.Errorf("nothing was asked: %s\n%s", said, b.errs.String())
		}
		mustHide(t, "logs and answers", said+page+b.errs.String())
	}
}
