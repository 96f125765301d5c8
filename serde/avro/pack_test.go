package avro

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	twmb "github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

func mustTwmb(t testing.TB, schema string) *twmb.Schema {
	t.Helper()
	s, err := twmb.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustZstd(t testing.TB) ocf.Codec {
	t.Helper()
	c, err := ocf.ZstdCodec(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// snappyBlock is a block of one string.
func snappyBlock(t testing.TB, s string) []byte {
	return pack(t, "snappy", encodeText(nil, []byte(s)))
}

// pack compresses a block.
func pack(t testing.TB, codec string, data []byte) []byte {
	t.Helper()
	switch codec {
	case "snappy":
		return binary.BigEndian.AppendUint32(snappy.Encode(nil, data), crc32.ChecksumIEEE(data))
	case "zstandard":
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		return w.EncodeAll(data, nil)
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
