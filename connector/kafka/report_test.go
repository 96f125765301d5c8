package kafka

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// owns is how many partitions the reader has now.
func (r *reader) owns() int {
	return len(r.now().assigned)
}

// TestReportOfMembers lets two members share one partition: the one that gets none has joined too.
func TestReportOfMembers(t *testing.T) {
	for _, balancer := range []string{CooperativeSticky, Range, KIP848} {
		t.Run(balancer, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(1, "t"))
			c := f.config("t")
			c.Balancer = balancer
			unused := open(t, c)
			if got := unused.Report(); !reflect.DeepEqual(got, connector.Report{Ends: map[connector.Partition]int64{}}) {
				t.Errorf("before it joined: %+v", got)
			}
			first := read(t, c)
			first.until("an assignment", func() bool { return len(first.assigned) == 1 })
			if got := first.Report(); !got.Joined || got.Rebalances != 1 {
				t.Errorf("with its partition: %+v", got)
			}
			second := read(t, c)
			if !eventually(func() bool { return second.Report().Joined && first.owns()+second.owns() == 1 }) {
				t.Fatalf("never joined: %+v", second.Report())
			}
			// Only the members that it moved to or from count what happened.
			if a, b := first.Report().Rebalances, second.Report().Rebalances; first.owns() == 1 && balancer != Range && (a != 1 || b != 0) {
				t.Errorf("rebalances %d and %d although the partition stayed", a, b)
			}
			before := second.Report().Rebalances
			if second.owns() == 1 {
				first, second, before = second, first, first.Report().Rebalances
			}
			first.close()
			second.until("the other's partition", func() bool { return len(second.assigned) == 1 })
			if got := second.Report(); got.Rebalances <= before {
				t.Errorf("%d rebalances, %d before it got a partition", got.Rebalances, before)
			}
		})
	}
}

// TestReportOfThrottledFetches: an answer that asks to wait is counted, and how long.
func TestReportOfThrottledFetches(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	r := read(t, f.config("t"))
	r.until("an assignment", func() bool { return len(r.assigned) == 1 })
	for _, millis := range []int32{20, 10} {
		done := make(chan struct{})
		f.ControlKey(int16(kmsg.Fetch), func(q kmsg.Request) (kmsg.Response, error, bool) {
			defer close(done)
			answer := q.ResponseKind().(*kmsg.FetchResponse)
			answer.ThrottleMillis = millis
			return answer, nil, true
		})
		<-done
	}
	f.produce(t, "t", 0, "a")
	r.reads(t0, "a")
	got := r.Report().Throttle
	if got.Times != 2 || got.Total != 30*time.Millisecond || got.Max != 20*time.Millisecond || got.Requests < 3 {
		t.Errorf("%+v", got)
	}
}

func TestReportOfThrottledDeadLetters(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "dlq"))
	d := openDead(t, f)
	bury := func() {
		t.Helper()
		if err := d.Bury(t.Context(), []connector.Failure{failure(1, []byte("v"), errors.New("x"))}); err != nil {
			t.Fatal(err)
		}
	}
	bury()
	if got := d.Report(); !reflect.DeepEqual(got, connector.Report{Throttle: connector.Throttle{Requests: 1}}) {
		t.Errorf("not throttled: %+v", got)
	}
	f.ControlKey(int16(kmsg.Produce), func(q kmsg.Request) (kmsg.Response, error, bool) {
		answer := q.ResponseKind().(*kmsg.ProduceResponse)
		answer.ThrottleMillis = 15
		for _, t := range q.(*kmsg.ProduceRequest).Topics {
			to := kmsg.NewProduceResponseTopic()
			to.Topic, to.TopicID = t.Topic, t.TopicID
			p := kmsg.NewProduceResponseTopicPartition()
			p.BaseOffset = 1
			to.Partitions = append(to.Partitions, p)
			answer.Topics = append(answer.Topics, to)
		}
		return answer, nil, true
	})
	bury()
	want := connector.Throttle{Requests: 2, Times: 1, Total: 15 * time.Millisecond, Max: 15 * time.Millisecond}
	if got := d.Report().Throttle; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestThrottleCountsAnswers: neither answers of other kinds nor those that didn't come are any of a quota's.
func TestThrottleCountsAnswers(t *testing.T) {
	h := throttle{kind: kmsg.Fetch}
	h.OnBrokerRead(kgo.BrokerMetadata{}, int16(kmsg.Heartbeat), 10, 0, 0, nil)
	h.OnBrokerRead(kgo.BrokerMetadata{}, int16(kmsg.Fetch), 0, 0, 0, errors.New("cut off"))
	h.OnBrokerRead(kgo.BrokerMetadata{}, int16(kmsg.Fetch), 10, 0, 0, nil)
	if got := h.report(); got != (connector.Throttle{Requests: 1}) {
		t.Errorf("%+v", got)
	}
}
