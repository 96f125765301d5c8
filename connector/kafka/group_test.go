package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// What is set is what a Consumer would have stored: the topic's id, the Connector's text, and the group's birth as it was.
func TestGroupOffsets(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"), kfake.SeedTopics(1, "u"))
	f.commitAs(t, "u", 0, 7, encodeNote(4711, [16]byte{9}, "m"))
	f.commitAs(t, "t", 1, 8, "") // another client's
	g, err := f.config("t").OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Idle(t.Context()); err != nil {
		t.Error(err)
	}
	all, err := g.Offsets(t.Context())
	want := []GroupOffset{{connector.Partition{Topic: "t", ID: 1}, [16]byte{}, 8, ""}, {connector.Partition{Topic: "u"}, [16]byte{9}, 7, "m"}}
	if err != nil || len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
		t.Errorf("%+v, error %v, want %+v", all, err, want)
	}
	set := []GroupOffset{{connector.Partition{Topic: "t"}, [16]byte{1}, 5, "hint"}, {connector.Partition{Topic: "t", ID: 1}, [16]byte{1}, 0, ""}}
	if err := g.SetOffsets(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if all, err = g.Offsets(t.Context()); err != nil || len(all) != 3 || all[0] != set[0] || all[1] != set[1] || all[2] != want[1] {
		t.Errorf("%+v, error %v", all, err)
	}
	if n := decodeNote(f.committed(t, "t", 0).Metadata); n.Start == nil || *n.Start != 4711 {
		t.Errorf("note %+v: the birth isn't 4711", n)
	}
}

// While somebody reads, nothing is set.
func TestGroupWithMembers(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	c := f.config("t")
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics("t"), kgo.ClientID("pod-1"), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f.produce(t, "t", 0, "v")
	for client.PollFetches(t.Context()).NumRecords() == 0 {
	}
	g, err := c.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	has(t, g.Idle(t.Context()), "has a member (client pod-1", "stop all processes")
	err = g.SetOffsets(t.Context(), []GroupOffset{{Partition: connector.Partition{Topic: "t"}, At: 1}})
	has(t, err, "stop all processes")
	if o := f.committed(t, "t", 0); o.At > 0 {
		t.Errorf("%d was committed", o.At)
	}
}
