package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

const batchCRC = 17

// rawBatch is a batch of n records from an offset on.
func rawBatch(from int64, n int, records []byte, attrs int16) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: from, Length: int32(batchHeader - 12 + len(records)), PartitionLeaderEpoch: 0, Magic: 2, Attributes: attrs,
		LastOffsetDelta: int32(n - 1), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: records,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[batchCRC:], crc32.Checksum(raw[batchAttrs:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// serve lets a cluster answer fetches at an offset by bytes, as long as ok says so.
func (f *fake) serve(at int64, raw []byte, ok func() bool) {
	f.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Partitions[0].FetchOffset != at || !ok() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		t, p := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		t.Topic, t.TopicID, p.HighWatermark, p.LastStableOffset, p.RecordBatches = req.Topics[0].Topic, req.Topics[0].TopicID, 4, 4, raw
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp, nil, true
	})
}

func TestDamagedBatches(t *testing.T) {
	one := record("x", 0)
	sound := rawBatch(1, 2, slices.Concat(one, one), 0)
	flipped := slices.Clone(sound)
	flipped[len(flipped)-2] ^= 1
	behind := rawBatch(3, 1, one, 0)
	lost := slices.Clone(flipped)
	binary.BigEndian.PutUint32(lost[batchLastDelta:], 1000)
	early := slices.Clone(flipped)
	binary.BigEndian.PutUint32(early[batchLastDelta:], 2)
	junk := rawBatch(1, 2, []byte("this isn't gzip"), 1)
	always := func() bool { return true }
	for name, c := range map[string]struct {
		raw   []byte
		times int64 // that it is damaged; 0 is always
		over  bool  // it is read over
	}{
		"checksum":                         {slices.Concat(flipped, behind), 0, true},
		"checksum, at the end":             {flipped, 0, true},
		"compression":                      {slices.Concat(junk, behind), 0, true},
		"the network's doing":              {slices.Concat(flipped, behind), oftenDamaged - 1, false},
		"unclear where it ends":            {slices.Concat(lost, behind), 0, false},
		"its end contradicts what follows": {slices.Concat(early, behind), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(1, "t"))
			f.produce(t, "t", 0, "a", "b", "c", "d")
			var served atomic.Int64
			ok := always
			if c.times > 0 {
				ok = func() bool { return served.Add(1) <= c.times }
			}
			f.serve(1, c.raw, ok)
			f.commitAs(t, "t", 0, 1, "")
			cfg := f.config("t")
			cfg.Options = append(cfg.Options, kgo.DisableFetchSessions())
			r := read(t, cfg)
			switch {
			case c.over:
				r.until("read on", func() bool { return len(r.got[t0]) == 2 })
				r.close()
				if got := r.now().offsets[t0]; !slices.Equal(got, []int64{1, 3}) || r.now().got[t0][0] != "" || r.now().got[t0][1] != "d" {
					t.Errorf("offsets %d, %q", got, r.now().got[t0])
				}
			case c.times > 0:
				r.reads(t0, "b", "c", "d")
			default:
				r.until("the halt", func() bool {
					return slices.ContainsFunc(r.errs, func(err error) bool { return connector.ClassOf(err) == connector.Permanent })
				})
				r.close()
				has(t, r.now().errs[len(r.now().errs)-1], "offset 1", "where it ends can't be told", "skip")
			}
		})
	}
}
