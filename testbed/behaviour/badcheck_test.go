//go:build testbed

package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// badDone reports whether a group has committed all of a topic.
func badDone(t *testing.T, brokers *testbed.Brokers, group string, topic *badTopic) bool {
	t.Helper()
	for partition, rs := range topic.records {
		if badCommitted(t, brokers, group, topic.name, partition) != int64(len(rs)) {
			return false
		}
	}
	return true
}

// badCommitted is the offset that a group stands at, -1 without one.
func badCommitted(t *testing.T, brokers *testbed.Brokers, group, topic string, partition int) int64 {
	t.Helper()
	client := brokers.Client(t)
	defer client.Close()
	offsets, err := kadm.NewClient(client).FetchOffsets(t.Context(), group)
	if err != nil {
		return -1
	}
	if o, ok := offsets.Lookup(topic, int32(partition)); ok {
		return o.At
	}
	return -1
}

// badReadAll reads a topic from its start to its end.
func badReadAll(t *testing.T, brokers *testbed.Brokers, topic string) []*kgo.Record {
	t.Helper()
	ends, err := brokers.Admin(t).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return consume(within(t, badPatience), t, brokers, topic, int(n))
}

// badAt is where a record stood in its topic.
func badAt(partition, offset any) string { return fmt.Sprintf("%v/%v", partition, offset) }

// badWant is the records that a connector has to bury, by where they stand.
func badWant(topic *badTopic, of func(badRecord) badLetter) map[string]*kgo.Record {
	want := map[string]*kgo.Record{}
	for partition, rs := range topic.records {
		for offset, r := range rs {
			if b, ok := topic.bad[r]; ok && of(b).stage != "" {
				want[badAt(partition, offset)] = r
			}
		}
	}
	return want
}

// badCheckLetters checks the records of a dead letter topic.
func badCheckLetters(t *testing.T, topic *badTopic, dead, connector string, got []*kgo.Record, of func(badRecord) badLetter) {
	t.Helper()
	want := badWant(topic, of)
	for _, letter := range got {
		own := map[string]string{}
		var headers []kgo.RecordHeader
		for _, h := range letter.Headers {
			if strings.HasPrefix(h.Key, badPrefix) || h.Key == "millrace.id" {
				own[strings.TrimPrefix(h.Key, badPrefix)] = string(h.Value)
			} else {
				headers = append(headers, h)
			}
		}
		at := badAt(own["partition"], own["offset"])
		r := want[at]
		if r == nil {
			t.Errorf("%s holds %s, which isn't bad or was buried before: %s", dead, at, own["exception.message"])
			continue
		}
		delete(want, at)
		b := topic.bad[r]
		badCheckReason(t, b.name, own["stage"], own["exception.message"], of(b))
		if !badSame(letter.Key, r.Key) || !badSame(letter.Value, r.Value) {
			t.Errorf("%s, %s: key %.40q and value %.40q aren't what was produced", connector, b.name, letter.Key, letter.Value)
		}
		if !slices.EqualFunc(headers, r.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && badSame(a.Value, b.Value) }) {
			t.Errorf("%s, %s: headers %q, want %q", connector, b.name, headers, r.Headers)
		}
		if !letter.Timestamp.Equal(r.Timestamp) {
			t.Errorf("%s, %s: timestamp %v, want %v", connector, b.name, letter.Timestamp, r.Timestamp)
		}
		if own["topic"] != topic.name || own["connector.name"] != connector || own["task.id"] != "0" ||
			own["class.name"] == "" || own["exception.class.name"] == "" || !strings.HasSuffix(own["millrace.id"], "-"+own["partition"]+"-"+own["offset"]+"-0") {
			t.Errorf("%s, %s: headers of the error %q", connector, b.name, own)
		}
		if _, ok := own["exception.stacktrace"]; !ok {
			t.Errorf("%s, %s: no exception.stacktrace", connector, b.name)
		}
	}
	for _, r := range want {
		t.Errorf("%s: %s isn't in the dead letter", connector, topic.bad[r].name)
	}
}

// badSame tells an empty text from none.
func badSame(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func badCheckReason(t *testing.T, name, stage, message string, want badLetter) {
	t.Helper()
	if stage != want.stage {
		t.Errorf("%s: stage %s, want %s: %s", name, stage, want.stage, message)
	}
	for _, w := range want.words {
		if !strings.Contains(message, w) {
			t.Errorf("%s: %q doesn't say %q", name, message, w)
		}
	}
	if len(message) > 400 {
		t.Errorf("%s: the message has %d bytes", name, len(message))
	}
}

// badCheckLetterFiles checks a dead letter of files; the connector is one that writes to a geo set.
func badCheckLetterFiles(t *testing.T, topic *badTopic, connector, dir string) {
	t.Helper()
	want := badWant(topic, func(b badRecord) badLetter { return b.geo })
	for _, line := range badLines(t, dir) {
		var letter struct {
			ID, Connector, Topic, Stage, Error string
			Partition                          int
			Offset, Timestamp                  int64
			Key, Value                         *string
			KeyBase64                          []byte `json:"key_base64"`
			ValueBase64                        []byte `json:"value_base64"`
			Headers                            []struct {
				Name        string
				Value       *string
				ValueBase64 []byte `json:"value_base64"`
			}
		}
		if err := json.Unmarshal(line, &letter); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		at := badAt(letter.Partition, letter.Offset)
		r := want[at]
		if r == nil {
			t.Errorf("%s holds %s, which isn't bad or was buried before: %s", dir, at, letter.Error)
			continue
		}
		delete(want, at)
		b := topic.bad[r]
		badCheckReason(t, b.name, letter.Stage, letter.Error, b.geo)
		original := func(text *string, raw []byte) []byte {
			if text != nil {
				return []byte(*text)
			}
			return raw
		}
		if !badSame(original(letter.Key, letter.KeyBase64), r.Key) || !badSame(original(letter.Value, letter.ValueBase64), r.Value) {
			t.Errorf("%s: not the key and value that were produced: %.200s", b.name, line)
		}
		if len(letter.Headers) != len(r.Headers) {
			t.Errorf("%s: %d headers, want %d", b.name, len(letter.Headers), len(r.Headers))
		} else {
			for i, h := range letter.Headers {
				if h.Name != r.Headers[i].Key || !badSame(original(h.Value, h.ValueBase64), r.Headers[i].Value) {
					t.Errorf("%s: header %d is %+v, want %+v", b.name, i, h, r.Headers[i])
				}
			}
		}
		if letter.Topic != topic.name || letter.Connector != connector || letter.Timestamp != r.Timestamp.UnixMilli() ||
			!strings.HasSuffix(letter.ID, fmt.Sprintf("-%d-%d-0", letter.Partition, letter.Offset)) {
			t.Errorf("%s: %.300s", b.name, line)
		}
	}
	for _, r := range want {
		t.Errorf("%s: %s isn't in the dead letter", connector, topic.bad[r].name)
	}
}

// badCheckGeo checks that the set holds what is good and nothing else.
func badCheckGeo(t *testing.T, redis *testbed.Redis, set string, topic *badTopic) {
	t.Helper()
	client := redis.Client(t)
	t.Cleanup(func() { client.Del(context.Background(), set) })
	for n := range topic.goods {
		at, err := client.GeoPos(t.Context(), set, string(badGood(n).Key)).Result()
		if err != nil {
			t.Fatal(err)
		}
		if lng, lat := badPlace(n); at[0] == nil || math.Abs(at[0].Longitude-lng) > 1e-4 || math.Abs(at[0].Latitude-lat) > 1e-4 {
			t.Errorf("set %s: %s is at %v", set, badGood(n).Key, at[0])
		}
	}
	want := topic.goods
	for _, b := range topic.bad {
		if b.geo.stage == "" {
			want++
		}
	}
	if n := client.ZCard(t.Context(), set).Val(); n != int64(want) {
		t.Errorf("set %s has %d members, want %d", set, n, want)
	}
}

// badCheckLines checks that the files of each partition hold what files can hold, in order.
func badCheckLines(t *testing.T, dir string, topic *badTopic) {
	t.Helper()
	for partition, rs := range topic.records {
		var want []string
		for _, r := range rs {
			if b, ok := topic.bad[r]; ok && b.files.stage != "" {
				continue
			}
			line := string(r.Value)
			if r.Value == nil {
				line = "null"
			}
			want = append(want, line)
		}
		var got []string
		for _, line := range badLines(t, filepath.Join(dir, topic.name, fmt.Sprintf("partition=%d", partition))) {
			got = append(got, string(line))
		}
		if !slices.Equal(got, want) {
			t.Errorf("partition %d: %d lines, want %d", partition, len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("line %d is %.200s\nwant %.200s", i, got[i], want[i])
				}
			}
		}
	}
}

// badLines are the lines of a folder's files, in the order of their names.
func badLines(t *testing.T, dir string) (lines [][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return lines
}

// badLog is what a process logged with --log json.
func badLog(p *millraceProcess) (lines []map[string]any) {
	for text := range strings.Lines(p.log.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// badLogged finds the first line of a message with these words in its error.
func badLogged(p *millraceProcess, message string, words ...string) map[string]any {
	for _, line := range badLog(p) {
		text, _ := line["error"].(string)
		if line["msg"] == message && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return line
		}
	}
	return nil
}

// badCheckMemory checks what the connectors together held, and what the process had of the system at most. It has ended.
func badCheckMemory(t *testing.T, p *millraceProcess) {
	t.Helper()
	held, most := map[any]float64{}, 0.0
	for _, line := range badLog(p) {
		if line["msg"] != "status" {
			continue
		}
		held[line["connector"]], _ = line["held_bytes"].(float64)
		var sum float64
		for n := range maps.Values(held) {
			sum += n
		}
		most = max(most, sum)
	}
	resident := badResidentOf(p)
	t.Logf("held at most %.1f MiB of the budget, resident at most %d MiB", most/(1<<20), resident>>20)
	// The lines are of different moments, and a fetch may take more room than was kept for it.
	if most == 0 || most > badBudget*5/4 {
		t.Errorf("%.0f bytes of the budget were held", most)
	}
	if resident > badResident {
		t.Errorf("the process had %d MiB", resident>>20)
	}
}

// badResidentOf is the most memory that a process that has ended had of the system.
func badResidentOf(p *millraceProcess) int64 {
	return p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10 // Linux counts in KiB
}
