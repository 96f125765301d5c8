//go:build testbed

package behaviour

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

const (
	flowPartitions = 4
	flowCars       = 5_000
)

// A position is a record's value: the seq-th of all, and where its car is then.
type position struct {
	Seq int64   `json:"seq"`
	Car string  `json:"car"`
	Lng float64 `json:"lng"`
	Lat float64 `json:"lat"`
}

func (p position) text() string {
	return fmt.Sprintf(`{"seq":%d,"car":%q,"lng":%.5f,"lat":%.5f}`, p.Seq, p.Car, p.Lng, p.Lat)
}

// flowPosition is the i-th record. Two positions of a car that follow each other are kilometres apart.
func flowPosition(i int64) position {
	car := i * 7919 % flowCars
	return position{Seq: i, Car: fmt.Sprintf("car-%04d", car), Lng: float64(i%33_000)/100 - 165, Lat: float64(i%16_000)/100 - 80}
}

// Records (MILLRACE_RECORDS) go into two geo sets of a Redis cluster, one per write mode, and into files, while processes
// join, leave and are killed. At the end every member is where its last record says, and the files hold each record
// exactly once, in the order of the partition within every file.
func TestRecordsWhileProcessesComeAndGo(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 300_000))
	kafka, cluster := testbed.Kafka(t), testbed.RedisCluster(t)
	topic := kafka.Topic(t, flowPartitions)
	dir := t.TempDir()
	group := testbed.Name(t)
	config := fmt.Sprintf(`
name: %[1]s-fast
source: {kafka: {brokers: %[2]q, topics: [%[3]s], session_timeout: 6s}}
sink: {redis_geo: {addrs: %[4]q, key: "%[1]s fast", member: value.car, longitude: value.lng, latitude: value.lat}}
---
name: %[1]s-newest
source: {kafka: {brokers: %[2]q, topics: [%[3]s], session_timeout: 6s}}
sink: {redis_geo: {addrs: %[4]q, key: "%[1]s newest", member: value.car, longitude: value.lng, latitude: value.lat, write: newest}}
---
name: %[1]s-files
source: {kafka: {brokers: %[2]q, topics: [%[3]s], session_timeout: 6s}}
sink: {file: {dir: %[5]q, path: "{topic}/{partition}/", rotate: {size: 1MiB, age: 2s}}}
`, group, strings.Join(kafka.Addrs, ","), topic, strings.Join(cluster.Addrs, ","), dir)

	produced := make(chan error, 1)
	go func() { produced <- produceFlow(kafka.Client(t, kgo.DefaultProduceTopic(topic)), records) }()

	a := startMillrace(t, config)
	time.Sleep(4 * time.Second)
	b := startMillrace(t, config)
	time.Sleep(5 * time.Second)
	c := startMillrace(t, config)
	time.Sleep(5 * time.Second)
	a.stop()
	time.Sleep(3 * time.Second)
	b.kill()
	d := startMillrace(t, config)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	admin := kafka.Admin(t)
	for _, connector := range []string{"fast", "newest", "files"} {
		testbed.WaitUntil(t, 4*time.Minute, "the group of "+connector, func() bool { return committedSum(t, admin, group+"-"+connector) == records })
	}
	c.stop()
	d.stop()

	last := map[string]position{}
	for i := range records {
		p := flowPosition(i)
		last[p.Car] = p
	}
	client := cluster.Client(t)
	for _, mode := range []string{"fast", "newest"} {
		wrong := checkGeo(t, client, group+" "+mode, last)
		t.Logf("write: %s: %d members, %d wrong", mode, len(last), wrong)
		if wrong != 0 {
			t.Errorf("write: %s: %d of %d members aren't where their last record says", mode, wrong, len(last))
		}
	}
	checkFiles(t, dir, records)
}

// produceFlow writes the records; those of a car go to one partition, in order.
func produceFlow(client *kgo.Client, n int64) error {
	failed := make(chan error, 1)
	for i := range n {
		p := flowPosition(i)
		client.Produce(client.Context(), &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
		if (i+1)%(n/20) == 0 {
			time.Sleep(time.Second) // so that processes come and go meanwhile
		}
	}
	if err := client.Flush(client.Context()); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func committedSum(t *testing.T, admin *kadm.Client, group string) (sum int64) {
	t.Helper()
	offsets, err := admin.FetchOffsets(t.Context(), group)
	if err != nil {
		return 0
	}
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(0, o.At) })
	return sum
}

func checkGeo(t *testing.T, client redis.UniversalClient, key string, want map[string]position) (wrong int) {
	t.Helper()
	for car, p := range want {
		at, err := client.GeoPos(t.Context(), key, car).Result()
		if err != nil {
			t.Fatal(err)
		}
		if at[0] == nil || math.Abs(at[0].Longitude-p.Lng) > 1e-4 || math.Abs(at[0].Latitude-p.Lat) > 1e-4 {
			wrong++
		}
	}
	return wrong
}

func checkFiles(t *testing.T, dir string, n int64) {
	t.Helper()
	seen := make([]uint16, n)
	files, lines, disorder := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") || d.Name() == "_millrace" {
				return filepath.SkipDir
			}
			return nil
		}
		files++
		last := int64(-1)
		return eachLine(path, func(line []byte) error {
			var p position
			if err := json.Unmarshal(line, &p); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if p.text() != flowPosition(p.Seq).text() {
				return fmt.Errorf("%s: %s isn't what was produced", path, line)
			}
			if p.Seq <= last {
				disorder++
			}
			last = p.Seq
			seen[p.Seq]++
			lines++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, times := range seen {
		if times == 0 {
			lost++
		}
	}
	repeated := lines - int(n) + lost
	t.Logf("files: %d, lines: %d, lost: %d, repeated: %d, out of order: %d", files, lines, lost, repeated, disorder)
	if lost > 0 || repeated > 0 || disorder > 0 {
		t.Errorf("%d records lost, %d repeated, %d out of order within their file", lost, repeated, disorder)
	}
}

func eachLine(path string, f func([]byte) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
