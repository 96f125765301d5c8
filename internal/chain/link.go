package chain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of the format of links.
const Version = 1

// An ID names the chain of one partition.
type ID struct {
	Prefix    string // where the links lie, without slashes at its ends; may be empty
	Chain     string // the setting chain
	Cluster   string
	Topic     string // its name, for messages only: TopicID counts
	TopicID   [16]byte
	Partition int32
}

// Dir is the folder of the links, with a final slash:
// PREFIX/_millrace/CHAIN/CLUSTER/TOPIC ID/PARTITION/.
func (id ID) Dir() string { return id.TopicDir() + strconv.Itoa(int(id.Partition)) + "/" }

// TopicDir is the folder of the topic's chains, with a final slash.
func (id ID) TopicDir() string {
	return fmt.Sprintf("%s%s/%s/", Root(id.Prefix, id.Chain), id.Cluster, hex.EncodeToString(id.TopicID[:]))
}

// columnsFile is the name of what is kept of a topic's columns.
const columnsFile = "columns.json"

// ColumnsKey is the key of what is kept of the topic's columns, where a sink has to find them out.
func (id ID) ColumnsKey() string { return id.TopicDir() + columnsFile }

// isColumns reports whether key, below a chain's root, is such a key.
func isColumns(root, key string) bool {
	rest, ok := strings.CutPrefix(key, root)
	return ok && strings.HasSuffix(rest, "/"+columnsFile) && strings.Count(rest, "/") == 2
}

// Key is the key of the link with a number.
func (id ID) Key(seq int64) string { return linkKey(id.Dir(), seq) }

// String names the partition.
func (id ID) String() string { return id.Topic + "/" + strconv.Itoa(int(id.Partition)) }

// Folder is what holds the links and owners of all chains below a prefix. Readers of
// data lakes (Hive, Spark, Athena, Glue crawlers) pass over names that begin with an underscore.
const Folder = "_millrace"

// Root is the folder of a chain, with a final slash.
func Root(prefix, chain string) string {
	if prefix != "" {
		prefix += "/"
	}
	return prefix + Folder + "/" + chain + "/"
}

// OwnerKey is the key of the object that says whose a chain is.
func OwnerKey(prefix, chain string) string { return Root(prefix, chain) + "owner.json" }

const (
	seqDigits = 20
	linkExt   = ".json"
)

func linkKey(dir string, seq int64) string {
	return fmt.Sprintf("%s%0*d%s", dir, seqDigits, seq, linkExt)
}

// ParseKey splits the key of a link into the folder and the number; ok is false for any other key.
func ParseKey(key string) (dir string, seq int64, ok bool) {
	i := strings.LastIndexByte(key, '/') + 1
	digits, found := strings.CutSuffix(key[i:], linkExt)
	if !found || len(digits) != seqDigits {
		return "", 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return "", 0, false
		}
	}
	seq, err := strconv.ParseInt(digits, 10, 64)
	return key[:i], seq, err == nil
}

// A Kind is what a link does.
type Kind string

// The kinds of links.
const (
	KindRoot   Kind = "root"   // number 0: where the chain begins
	KindData   Kind = "data"   // a range of offsets and its objects
	KindGap    Kind = "gap"    // offsets that were gone from Kafka
	KindRewind Kind = "rewind" // goes back, to write again on purpose
	KindSeal   Kind = "seal"   // nothing new: frees the objects of the link before
)

// A Link speaks for the offsets From to Next-1 of one partition. It is immutable.
type Link struct {
	Version int      `json:"v"`
	Kind    Kind     `json:"kind"`
	Seq     int64    `json:"seq"`
	Attempt string   `json:"attempt"` // 128 random bits in hex: tells this body from that of a rival
	Owner   Owner    `json:"owner"`
	Topic   string   `json:"topic,omitempty"` // of a root: the topic's name, for people, who can't ask Kafka any more once the topic is gone
	Plan    string   `json:"plan,omitempty"`  // hash of the settings and the build that made the rows; "" if not known
	From    int64    `json:"from"`            // the Next of the link before
	Next    int64    `json:"next"`
	First   int64    `json:"first"` // of the records read; -1 if none
	Last    int64    `json:"last"`
	Counts  Counts   `json:"counts"`
	Objects []Object `json:"objects,omitempty"`
	Gap     *Gap     `json:"gap,omitempty"`
	Rewind  int64    `json:"rewind,omitempty"` // number of the newest rewind, this one included; 0 if there is none
	Made    string   `json:"made,omitempty"`   // when, RFC 3339, for people: nothing depends on it
}

// An Owner says whose a chain is, or who put a link.
type Owner struct {
	Connector string `json:"connector"`
	Group     string `json:"group"`
	Cluster   string `json:"cluster"`
}

// Counts are records.
type Counts struct {
	Read     int64 `json:"read"`
	Written  int64 `json:"written"`
	Filtered int64 `json:"filtered"`
	Buried   int64 `json:"buried"`
	Emitted  int64 `json:"emitted"`
}

// A Gap is offsets that were passed over.
type Gap struct {
	From int64 `json:"from"`
	To   int64 `json:"to"` // the first offset after it
}

// An Object is one file of a link. Its rows came from the offsets First to Last.
type Object struct {
	Key    string `json:"key"`
	Path   string `json:"path,omitempty"` // which of the range's paths: equal for the records that go together
	Tail   string `json:"tail"`           // random, of this upload only
	Upload string `json:"upload"`
	Parts  []Part `json:"parts,omitempty"`
	Rows   int64  `json:"rows"`
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Size   int64  `json:"size"`          // bytes
	CRC    string `json:"crc,omitempty"` // CRC-32C (RFC 3720) of all bytes: 8 hex digits
	Unique bool   `json:"unique"`        // the key ends in seq and tail; else it is completed only if nothing has it

	Dir string `json:"-"` // of the links of the chain that the upload was begun for
	Seq int64  `json:"-"` // the number that it was begun for: no other link may name it
}

// A Part is a part of an upload.
type Part struct {
	N    int    `json:"n"`
	ETag string `json:"etag,omitempty"`
	CRC  string `json:"crc,omitempty"` // as the store gave it
}

// Encode is the link's body.
func (l *Link) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		panic(err) // texts and numbers: it can't fail
	}
	return b.Bytes()
}

// MaxLink bounds the body of a link that is read: one with 1,400 objects has about 0.6 MB.
const MaxLink = 64 << 20

// DecodeLink reads a body and checks it against the number in its key.
func DecodeLink(body []byte, seq int64) (*Link, error) {
	l := &Link{}
	if err := json.Unmarshal(body, l); err != nil {
		return nil, fmt.Errorf("it is no link: %w", err)
	}
	switch {
	case l.Version != Version:
		return nil, fmt.Errorf("it has version %d, and this build reads version %d: use a newer Millrace", l.Version, Version)
	case l.Seq != seq:
		return nil, fmt.Errorf("it says that its number is %d", l.Seq)
	case l.Kind == KindRoot != (seq == 0):
		return nil, fmt.Errorf("a link of kind %q can't have number %d", l.Kind, seq)
	case l.Next < l.From && l.Kind != KindRewind:
		return nil, fmt.Errorf("it goes back from %d to %d, and is no rewind", l.From, l.Next)
	case l.Attempt == "":
		return nil, errors.New("it has no attempt")
	}
	return l, nil
}
