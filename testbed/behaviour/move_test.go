//go:build testbed

package behaviour

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/testbed"
)

// The topic lies on another cluster now, under the same name. The connector refuses until millrace move says where to begin there; then each
// record of both clusters is in the bucket exactly once, and verify proves it.
func TestAnotherCluster(t *testing.T) {
	l := newLake(t, 2)
	sink := `path: "{topic}/{partition}/"`
	l.round(l.config(sink, ""), 0)
	old := l.kafka
	l.kafka = testbed.StartKafka(t, testbed.KafkaOptions{})
	l.kafka.CreateTopic(t, l.topic, 2)
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	config := l.config(sink, "")
	p := l.start(config)
	p.says("belongs to connector", "millrace move says where to begin there")
	p.kill()
	if n := committedSum(t, l.kafka.Admin(t), l.group); n != 0 {
		t.Errorf("%d offsets were committed in the new cluster", n)
	}
	out, code := l.command("move", "--to", "earliest")
	if code == 0 || !strings.Contains(out, "--yes") || !strings.Contains(strings.ToLower(out), "begins at") {
		t.Errorf("without --yes move ended with %d:\n%s", code, out)
	}
	out, code = l.command("move", "--to", "earliest", "--yes")
	if code != 0 || !strings.Contains(out, "2 partitions moved. Start the connector.") {
		t.Fatalf("move ended with %d:\n%s", code, out)
	}
	t.Logf("\n%s", out)
	if out, code = l.command("move", "--to", "latest", "--yes"); code != 0 || !strings.Contains(out, "nothing to move") {
		t.Errorf("once more move ended with %d:\n%s", code, out)
	}
	p = l.start(config)
	l.written(perRound)
	out, code = l.command("move", "--to", "latest", "--yes")
	if code != 0 || !strings.Contains(out, "nothing to move") {
		t.Errorf("while it runs move ended with %d:\n%s", code, out)
	}
	p.stop()
	l.verify()
	l.count(2*perRound, all)
	if out, code = l.command("verify"); code != 0 || strings.Count(out, "topic "+l.topic+" (id ") != 2 {
		t.Errorf("verify ended with %d, and should show the topic of each cluster:\n%s", code, out)
	}
	t.Logf("\n%s", out)

	// What still runs in the old cluster is refused at its next start.
	l.kafka = old
	p = l.start(l.config(sink, ""))
	p.says("belongs to connector", "millrace move")
	p.kill()
}
