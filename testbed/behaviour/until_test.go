//go:build testbed

package behaviour

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ends waits until the process ends by itself, and returns its exit code.
func (p *millraceProcess) ends(within time.Duration) (code int) {
	p.t.Helper()
	timer := time.AfterFunc(within, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// transact writes the records first to first+n-1 in transactions. Each third one is aborted, and then done again.
func (l *lake) transact(first, n int64) {
	l.t.Helper()
	client := l.kafka.Client(l.t, kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.TransactionalID(l.topic))
	defer client.Close()
	const each = 1000
	for i, tries := first, 0; i < first+n; tries++ {
		if err := client.BeginTransaction(); err != nil {
			l.t.Fatal(err)
		}
		for seq := i; seq < i+each; seq++ {
			p := flowPosition(seq)
			client.Produce(client.Context(), &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())}, nil)
		}
		if err := client.Flush(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		commit := tries%3 != 2
		if err := client.EndTransaction(l.t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			l.t.Fatal(err)
		}
		if commit {
			i += each
		}
	}
}

// TestUntilEndHourly runs a job twice over transactions: each run ends by itself, and all records are there once. The topic ends in
// markers, of a transaction that was aborted at last.
func TestUntilEndHourly(t *testing.T) {
	const records = 100_000
	l := newLake(t, 4)
	config := l.config(`path: "{topic}/{partition}/", rotate: {age: 1h}`, "")
	l.file = config
	for run, from := range []int64{0, records / 2} {
		l.transact(from, records/2)
		began := time.Now()
		p := startMillrace(t, config, "--until", "end")
		if code := p.ends(2 * time.Minute); code != 0 {
			t.Fatalf("run %d: exit code %d\n%s", run+1, code, lastLines(eventful(p.log.String()), 20))
		}
		t.Logf("run %d took %s: %s", run+1, time.Since(began).Round(time.Millisecond), lineWith(p.log.String(), "msg=ended"))
		l.count(from+records/2, all)
	}
	objects := len(l.objects())
	p := startMillrace(t, config, "--until", "end") // nothing came since
	if code := p.ends(time.Minute); code != 0 || len(l.objects()) != objects {
		t.Errorf("a run without anything to do: exit code %d, %d objects, before %d", code, len(l.objects()), objects)
	}
	l.verify()
}

func lineWith(log, text string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
	}
	return fmt.Sprintf("no line with %q", text)
}

// TestUntilEndAtARate: reading takes as long as the rate says, less what a second allows and one fetch.
func TestUntilEndAtARate(t *testing.T) {
	const records, rate, fetch = 20_000, 200_000, 100_000
	l := newLake(t, 2)
	// A batch is fetched as a whole: small ones, so that a fetch is small.
	client := l.kafka.Client(t, kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchMaxBytes(fetch/10), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	var bytes int64
	for i := range int64(records) {
		p := flowPosition(i)
		bytes += int64(len(p.Car) + len(p.text()))
		client.Produce(client.Context(), &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())}, nil)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(l.config(`path: "{topic}/{partition}/", rotate: {age: 1h}`, ""), "session_timeout: 6s",
		"session_timeout: 6s, fetch: {max_bytes: 10kB, max_partition_bytes: 10kB}", 1)
	began := time.Now()
	p := startMillrace(t, config, "--until", "end", "--rate", "200kB/s")
	if code := p.ends(5 * time.Minute); code != 0 {
		t.Fatalf("exit code %d\n%s", code, lastLines(eventful(p.log.String()), 20))
	}
	took, least := time.Since(began), time.Duration(bytes-rate-fetch)*time.Second/rate
	t.Logf("%d bytes at %d a second took %s, at least %s: %s", bytes, rate, took.Round(time.Millisecond), least, lineWith(p.log.String(), "msg=ended"))
	if took < least {
		t.Errorf("took %s, less than %s", took, least)
	}
	l.count(records, all)
}
