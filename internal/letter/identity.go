package letter

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
)

// HeaderReplays is the header of a letter whose record failed again when it was replayed: how often it did. It isn't one of the record's own.
const HeaderReplays = "millrace.replays"

// The headers of a gap record: the first offset that was gone, and the one that was read next. See connector.StageGap.
const (
	headerGapFrom = "millrace.gap.from"
	headerGapTo   = "millrace.gap.to"
)

// TopicID is the id of the record's topic, from the letter's id. ok is false if the letter doesn't tell it: Kafka Connect's don't.
func (l *Letter) TopicID() (id [16]byte, ok bool) {
	parts := strings.Split(l.ID, "-")
	if len(parts) != 4 || len(parts[0]) != 2*len(id) || parts[1] != strconv.Itoa(int(l.Partition)) || parts[2] != strconv.FormatInt(l.Offset, 10) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(parts[0]))
	return id, err == nil
}

// Name is what a letter is asked for by: its id, or TOPIC/PARTITION/OFFSET without one.
func (l *Letter) Name() string {
	if l.ID != "" {
		return l.ID
	}
	return l.Topic + "/" + strconv.Itoa(int(l.Partition)) + "/" + strconv.FormatInt(l.Offset, 10)
}

// Replays is how often the record was replayed and failed again.
func (l *Letter) Replays() int {
	for i := len(l.Headers) - 1; i >= 0; i-- {
		if h := &l.Headers[i]; h.Name == HeaderReplays {
			n, err := strconv.ParseUint(string(raw(h.Value, h.ValueBase64)), 10, 15)
			if err != nil {
				return 0
			}
			return int(n)
		}
	}
	return 0
}

// RecordHeaders are the headers that the record has in a pipeline: RawHeaders without what replays left there.
func (l *Letter) RecordHeaders() []connector.Header {
	return slices.DeleteFunc(l.RawHeaders(), func(h connector.Header) bool { return h.Name == HeaderReplays })
}

// Gap is the offsets from..to-1 that a gap record stands for; ok is false for the letter of a record.
func (l *Letter) Gap() (from, to int64, ok bool) {
	if l.Stage != string(connector.StageGap) {
		return 0, 0, false
	}
	number := func(name string) int64 {
		for i := range l.Headers {
			if h := &l.Headers[i]; h.Name == name {
				n, _ := strconv.ParseInt(string(raw(h.Value, h.ValueBase64)), 10, 64)
				return n
			}
		}
		return l.Offset
	}
	return number(headerGapFrom), number(headerGapTo), true
}
