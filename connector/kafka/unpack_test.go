package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// read is what franz-go does with a batch: unpack it and tell the hook.
func (u *unpacker) read(k connector.Partition, src []byte) error {
	out, err := u.Decompress(src, kgo.CodecSnappy)
	m := kgo.FetchBatchMetrics{CompressedBytes: len(src), CompressionType: 2, UncompressedBytes: len(out)}
	if err != nil {
		m.UncompressedBytes = len(src)
	}
	u.OnFetchBatchRead(kgo.BrokerMetadata{}, k.Topic, k.ID, m)
	return err
}

func TestRoomForWhatIsUnpacked(t *testing.T) {
	u := newTestUnpacker(1000, 2000)
	b := func(n int) []byte { return s2.EncodeSnappy(nil, make([]byte, n)) }
	t1 := connector.Partition{Topic: "t", ID: 1}
	check := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("error %v, want %v; %d bytes held", err, want, u.held)
		}
	}
	check(u.read(t0, b(900)), nil)
	check(u.read(t1, b(900)), nil)
	check(u.read(t1, b(201)), errLater)
	if err := u.read(t1, b(1001)); !errors.As(err, new(*oversized)) {
		t.Fatal(err)
	}
	check(u.read(t1, b(200)), nil)
	if part, refused := u.usage(); part != 0 || !refused {
		t.Errorf("usage %f, %t", part, refused)
	}
	u.taken(t0)
	if part, refused := u.usage(); part != 0.45 || refused {
		t.Errorf("usage %f, %t", part, refused)
	}
	check(u.read(t0, b(901)), errLater)
	check(u.read(t0, b(900)), nil)
	u.taken(t0)
	u.taken(t1)
	if u.held != 0 || len(u.holders) != 0 || len(u.loose) != 0 {
		t.Errorf("%d bytes held, %v, %v", u.held, u.holders, u.loose)
	}
	// Alone a batch has room that takes more than all.
	u.room = 500
	check(u.read(t0, b(900)), nil)
	check(u.read(t1, b(1)), errLater)
	u.forget()
	check(u.read(t1, b(1)), nil)
	// What isn't compressed counts by its records.
	u.forget()
	u.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 1, kgo.FetchBatchMetrics{NumRecords: 3, UncompressedBytes: 5000, CompressedBytes: 5000})
	if u.held != 3*parsedRecord {
		t.Errorf("%d bytes held for 3 records", u.held)
	}
	u.taken(t1)
	if u.held != 0 {
		t.Errorf("%d bytes held", u.held)
	}
}

// record is a record of a batch, with n headers.
func record(value string, n int) []byte {
	r := []byte{0}
	for _, v := range []int64{0, 0, -1, int64(len(value))} {
		r = binary.AppendVarint(r, v)
	}
	r = append(r, value...)
	r = binary.AppendVarint(r, int64(n))
	r = append(r, bytes.Repeat([]byte{0, 1}, n)...) // no name, no value
	return append(binary.AppendVarint(nil, int64(len(r))), r...)
}

// Records and headers take more memory than their bytes: many small ones are as much of a bomb as zeros.
func TestBombsOfSmallRecords(t *testing.T) {
	const limit = 1 << 20
	for name, c := range map[string]struct {
		one              []byte
		records, headers int64
	}{
		"records":               {record("", 0), 1, 0},
		"records with a value":  {record("hello", 0), 1, 0},
		"headers":               {record("x", 1000), 1, 1000},
		"records with a header": {record("x", 1), 1, 1},
		"a large record":        {record(string(make([]byte, 1000)), 2), 1, 2},
		"two of different size": {append(record("", 0), record("x", 200)...), 2, 200},
	} {
		t.Run(name, func(t *testing.T) {
			records, headers := count(bytes.Repeat(c.one, 803))
			off, most := max(headers-803*c.headers, 803*c.headers-headers), sampleOf*c.headers
			switch {
			case c.records > 1:
				most = 803 * c.headers / 3 // 4.7 standard deviations
			case len(c.one) > sampledRecord+2:
				most = 0
			}
			if records != 803*c.records || off > most {
				t.Errorf("%d records, %d headers", records, headers)
			}
			n := limit / len(c.one)
			structs := int64(n) * (c.records*parsedRecord + c.headers*parsedHeader)
			u := newTestUnpacker(limit, limit)
			_, err := u.Decompress(s2.EncodeSnappy(nil, bytes.Repeat(c.one, n)), kgo.CodecSnappy)
			if tooMany := errors.As(err, new(*oversized)); tooMany != (structs > limit) {
				t.Errorf("%d bytes of structs: %v", structs, err)
			}
			if err != nil && u.held != 0 {
				t.Errorf("%d bytes held", u.held)
			}
		})
	}
}
