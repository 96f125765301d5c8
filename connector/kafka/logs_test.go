package kafka

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLogs(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(3, "t"))
	old := time.UnixMilli(1_700_000_000_000)
	for i := range 6 {
		r := &kgo.Record{Topic: "t", Partition: 1, Value: []byte("v"), Timestamp: old.Add(time.Duration(i) * time.Hour)}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	f.produce(t, "t", 2, "a")
	c := DefaultConfig()
	c.Brokers, c.Topics, c.Group = f.ListenAddrs(), []string{"t"}, "g"
	before, err := Logs(t.Context(), c, time.Time{})
	if err != nil || len(before) != 3 {
		t.Fatal(before, err)
	}
	id := before[0].TopicID
	commits := kadm.Offsets{}
	commits.Add(kadm.Offset{Topic: "t", Partition: 1, At: 4, LeaderEpoch: -1, Metadata: encodeNote(0, id, "mine")})
	commits.Add(kadm.Offset{Topic: "t", Partition: 2, At: 1, LeaderEpoch: -1, Metadata: encodeNote(0, [16]byte{1}, "of a topic that is gone")})
	if err := f.admin.CommitAllOffsets(t.Context(), "g", commits); err != nil {
		t.Fatal(err)
	}
	logs, err := Logs(t.Context(), c, old.Add(90*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Log{
		{Committed: -1},
		{End: 6, At: 2, Committed: 4, Meta: "mine"},
		{End: 1, At: 0, Committed: -1},
	} {
		want.Topic, want.ID, want.ClusterID, want.TopicID = "t", int32(i), "test", id
		if logs[i] != want {
			t.Errorf("%+v, want %+v", logs[i], want)
		}
	}
	if hex.EncodeToString(id[:]) == hex.EncodeToString(make([]byte, 16)) {
		t.Error("the topic has no id")
	}
	late, err := Logs(t.Context(), c, time.Now().Add(time.Hour))
	if err != nil || late[1].At != 6 || late[0].At != 0 {
		t.Errorf("%+v %v: of a time that is still to come At is the end", late, err)
	}
	c.Topics = []string{"nope"}
	if _, err := Logs(t.Context(), c, time.Time{}); err == nil {
		t.Error("a topic that isn't there")
	}
}
