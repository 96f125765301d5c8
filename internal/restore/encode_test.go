package restore

import (
	"bytes"
	"slices"
	"testing"

	"github.com/linkedin/goavro/v2"
	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/envelope"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/parquet"
	"github.com/millrace/millrace/serde"
)

type parquetHeader struct {
	Name  string  `parquet:"name"`
	Value *[]byte `parquet:"value,optional"`
}

type parquetRecord struct {
	Topic     string          `parquet:"topic,dict"`
	Partition int32           `parquet:"partition"`
	Offset    int64           `parquet:"offset,delta"`
	Timestamp int64           `parquet:"timestamp,timestamp(millisecond)"`
	Key       *[]byte         `parquet:"key,optional"`
	Headers   []parquetHeader `parquet:"headers,list"`
	Value     *[]byte         `parquet:"value,optional,snappy"`
}

const avroSchema = `{"type":"record","name":"envelope","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},
{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"key","type":["null","bytes"]},{"name":"headers","type":{"type":"array","items":
{"type":"record","name":"header","fields":[{"name":"name","type":"string"},{"name":"value","type":["null","bytes"]}]}}},{"name":"value","type":["null","bytes"]}]}`

func encode(t testing.TB, ext string, p connector.Partition, rs []connector.Record) []byte {
	t.Helper()
	switch ext {
	case ".parquet":
		return encodeParquet(t, p, rs)
	case ".avro":
		return encodeAvro(t, p, rs)
	case ".own.parquet":
		return encodeOwn(t, p, rs)
	}
	return encodeLines(t, ext, p, rs)
}

func optional(b []byte) *[]byte {
	if b == nil {
		return nil
	}
	return &b
}

func encodeParquet(t testing.TB, p connector.Partition, rs []connector.Record) []byte {
	var out bytes.Buffer
	w := pq.NewGenericWriter[parquetRecord](&out, pq.PageBufferSize(500))
	for i := range rs {
		r := &rs[i]
		row := parquetRecord{Topic: p.Topic, Partition: p.ID, Offset: r.Offset, Timestamp: r.Timestamp, Key: optional(r.RawKey), Value: optional(r.RawValue)}
		for _, h := range r.Headers {
			row.Headers = append(row.Headers, parquetHeader{h.Name, optional(h.Value)})
		}
		if _, err := w.Write([]parquetRecord{row}); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// encodeOwn writes what a sink writes: envelopes in columns, in Parquet files of our own writer.
func encodeOwn(t testing.TB, p connector.Partition, rs []connector.Record) []byte {
	wrap, err := envelope.New(envelope.Config{Raw: true}, envelope.Columns)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := parquet.New(wrap.Columns(nil, nil), parquet.Options{Compression: "zstd", PageSize: 200})
	if err != nil {
		t.Fatal(err)
	}
	f := encoder.File()
	batch := connector.NewBatch(connector.Source{Partition: p}, rs, nil)
	var out, scratch []byte
	for i := range rs {
		v, err := wrap.Wrap(serde.NewTape(), batch, i)
		if err == nil {
			err = f.Add(v)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 || i == len(rs)-1 { // a row group each
			block := f.Block(&scratch)
			out = append(out, block...)
			f.Next(len(block), 0)
		}
	}
	return append(out, f.End(&scratch)...)
}

func union(b []byte) any {
	if b == nil {
		return nil
	}
	return goavro.Union("bytes", b)
}

func encodeAvro(t testing.TB, p connector.Partition, rs []connector.Record) []byte {
	var out bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &out, Schema: avroSchema, CompressionName: goavro.CompressionDeflateLabel})
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(rs, 8) { // a block each
		var rows []map[string]any
		for i := range chunk {
			r := &chunk[i]
			headers := []any{}
			for _, h := range r.Headers {
				headers = append(headers, map[string]any{"name": h.Name, "value": union(h.Value)})
			}
			rows = append(rows, map[string]any{"topic": p.Topic, "partition": p.ID, "offset": r.Offset, "timestamp": r.Time(), "key": union(r.RawKey), "headers": headers, "value": union(r.RawValue)})
		}
		if err := w.Append(rows); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func encodeLines(t testing.TB, ext string, p connector.Partition, rs []connector.Record) []byte {
	codec, err := lines.NewCodec(map[string]lines.Compression{".json": lines.None, ".json.gz": lines.Gzip, ".json.zst": lines.Zstd, ".json.sz": lines.Snappy}[ext], 0)
	if err != nil {
		t.Fatal(err)
	}
	wrap, err := envelope.New(envelope.Config{Raw: true}, envelope.JSON)
	if err != nil {
		t.Fatal(err)
	}
	w := lines.NewWriter(codec, lines.JSON)
	batch := connector.NewBatch(connector.Source{Partition: p}, rs, nil)
	var out, scratch []byte
	for i := range rs {
		v, err := wrap.Wrap(serde.NewTape(), batch, i)
		if err == nil {
			err = w.Add(v)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 || i == len(rs)-1 { // a member or frame each
			block := w.Block(&scratch)
			out = append(out, block...)
			w.Next(len(block), 0)
		}
	}
	return out
}
