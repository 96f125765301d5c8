package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// expel lets the group throw out a member: it hears of that when it commits, and when it joins again, which closes joining.
func (f *fake) expel(member string) (joining chan struct{}) {
	joining = make(chan struct{})
	f.ControlKey(int16(kmsg.OffsetCommit), func(q kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		req := q.(*kmsg.OffsetCommitRequest)
		if req.MemberID != member {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.Topics {
			out := kmsg.NewOffsetCommitResponseTopic()
			out.Topic, out.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.UnknownMemberID.Code
				out.Partitions = append(out.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil, true
	})
	f.ControlKey(int16(kmsg.JoinGroup), func(q kmsg.Request) (kmsg.Response, error, bool) {
		resp := q.(*kmsg.JoinGroupRequest).ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		close(joining)
		return resp, nil, true
	})
	return joining
}

// TestExpelledMember: a process that was paused for longer than its session hears of it by a commit that is refused. franz-go joins again, as another
// member, and calls nobody if the same partitions come back, which were others' meanwhile. They begin anew, and no commit of before is sent.
func TestExpelledMember(t *testing.T) {
	t1 := connector.Partition{Topic: "t", ID: 1}
	for _, balancer := range []string{CooperativeSticky, Sticky} {
		t.Run(balancer, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(2, "t"))
			c := f.config("t")
			c.Balancer = balancer
			r := read(t, c)
			r.until("an assignment", func() bool { return len(r.assigned) == 2 })
			before := r.now().assigned[t0].Epoch + r.now().assigned[t1].Epoch
			member, _ := r.client.GroupMetadata()
			joining := f.expel(member)
			commit := []connector.Offset{{Partition: t0, At: 3}, {Partition: t1, At: 4}}
			if err := r.Commit(t.Context(), commit); err == nil {
				t.Error("a commit of a member that was thrown out is taken")
			}
			<-joining
			if err := r.Commit(t.Context(), commit); connector.ClassOf(err) != connector.Lost {
				t.Errorf("a commit while the member joins again: %v", err)
			}
			r.until("assignments that begin anew", func() bool {
				return len(r.assigned) == 2 && r.assigned[t0].Epoch+r.assigned[t1].Epoch > before+2
			})
			for _, p := range []int32{0, 1} {
				if at := f.committed(t, "t", p).At; at > 0 {
					t.Errorf("offset %d of partition %d was committed by a member that was thrown out", at, p)
				}
			}
			if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 1}}); err != nil {
				t.Errorf("a commit of the new member: %v", err)
			}
		})
	}
}

// TestExpelledMemberReadsOn: what begins anew is read from what is committed, also where franz-go was further and what it had fetched was dropped.
func TestExpelledMemberReadsOn(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(10)...)
	c := f.config("t")
	c.Balancer = CooperativeSticky
	r := read(t, c)
	r.reads(t0, numbers(10)...)
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 3}}); err != nil {
		t.Fatal(err)
	}
	r.Pause(t0)
	r.Seek(t0, 3) // franz-go hears of it when the partition goes on
	member, _ := r.client.GroupMetadata()
	f.expel(member)
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 4}}); err == nil {
		t.Error("a commit of a member that was thrown out is taken")
	}
	r.reads(t0, append(numbers(10), numbers(10)[3:]...)...)
}
