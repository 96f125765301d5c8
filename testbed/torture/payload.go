package torture

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// keys is how many keys the records of a run have.
const keys = 2000

// A Payload is a record's value. It holds the checksum of all its other fields, so that a record which a sink changed is told from one that it lost.
type Payload struct {
	Run       string  `json:"run"` // a name that no other run has
	Partition int32   `json:"partition"`
	Seq       int64   `json:"seq"`  // which of the run's records it is; ascending in each partition
	Key       string  `json:"key"`  // also the record's key: all records of a key are in one partition
	Fold      int64   `json:"fold"` // 0 to 2: a folder, where files are laid out by it
	Lng       float64 `json:"lng"`  // where the key is then; two records of a key that follow each other are kilometres apart
	Lat       float64 `json:"lat"`
	Text      string  `json:"text"` // of a length that differs
	SHA256    string  `json:"sha256"`
}

// NewPayload is the record with a number.
func NewPayload(run string, partitions int32, seq int64) Payload {
	p := Payload{
		Run: run, Seq: seq, Key: fmt.Sprintf("car-%04d", seq*7919%keys), Fold: seq % 3,
		Lng: float64(seq%33_000)/100 - 165, Lat: float64(seq%16_000)/100 - 80,
		Text: strings.Repeat("größe ", int(seq*31%17)),
	}
	h := fnv.New32a()
	h.Write([]byte(p.Key))
	p.Partition = int32(h.Sum32() % uint32(partitions))
	p.SHA256 = p.sum()
	return p
}

func (p *Payload) sum() string {
	sum := sha256.Sum256([]byte(p.fields()))
	return hex.EncodeToString(sum[:])
}

func (p *Payload) fields() string {
	return fmt.Sprintf(`"run":%q,"partition":%d,"seq":%d,"key":%q,"fold":%d,"lng":%.5f,"lat":%.5f,"text":%q`, p.Run, p.Partition, p.Seq, p.Key, p.Fold, p.Lng, p.Lat, p.Text)
}

// Value is the record's bytes.
func (p *Payload) Value() []byte { return fmt.Appendf(nil, `{%s,"sha256":%q}`, p.fields(), p.SHA256) }

// Whole tells whether nothing was changed since it was made.
func (p *Payload) Whole() bool { return p.SHA256 == p.sum() }

// ParsePayload reads what a sink holds of a record. ok is false where that is no payload, or one that was changed.
func ParsePayload(text []byte) (p Payload, ok bool) {
	if err := json.Unmarshal(text, &p); err != nil {
		return p, false
	}
	return p, p.Whole()
}
