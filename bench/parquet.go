package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/bytedance/sonic"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/s3"
)

// A trip is what the records of trips hold, as a program would declare it that knows its type.
type trip struct {
	TripID    string   `json:"trip_id" parquet:"trip_id"`
	CarID     string   `json:"car_id" parquet:"car_id"`
	Driver    string   `json:"driver" parquet:"driver"`
	StartTS   int64    `json:"start_ts" parquet:"start_ts"`
	DistanceM int32    `json:"distance_m" parquet:"distance_m"`
	Speed     float64  `json:"speed" parquet:"speed"`
	Pos       tripPos  `json:"pos" parquet:"pos"`
	Status    string   `json:"status" parquet:"status"`
	City      string   `json:"city" parquet:"city"`
	Tags      []string `json:"tags" parquet:"tags,list"`
	Seq       int64    `json:"seq" parquet:"seq"`
}

type tripPos struct {
	Lng float64 `json:"lng" parquet:"lng"`
	Lat float64 `json:"lat" parquet:"lat"`
}

// floorParquet decodes JSON by sonic into a struct, writes rows by parquet-go, compressed by snappy, and puts each object whole, as floorS3 does.
func floorParquet(ctx context.Context, s settings) error {
	return consume(ctx, s, func(p int32) (worker, error) {
		o := &parquetObject{put: func(n int, body []byte) error {
			return plainPut(ctx, fmt.Sprintf("%s/%s/%s/%d/%d.parquet", s.s3, s3Bucket, s.topic, p, n), body)
		}}
		o.writer = parquet.NewGenericWriter[trip](&o.body, parquet.Compression(&parquet.Snappy))
		return o, nil
	})
}

// A parquetObject gathers rows, one object after the other.
type parquetObject struct {
	put    func(n int, body []byte) error
	writer *parquet.GenericWriter[trip]
	body   bytes.Buffer
	rows   []trip // not written yet
	n, all int
}

const parquetRows = 1000 // that are written at once

func (o *parquetObject) take(r *kgo.Record) error {
	o.rows = append(o.rows, trip{})
	if err := sonic.Unmarshal(r.Value, &o.rows[len(o.rows)-1]); err != nil {
		return err
	}
	o.all++
	if len(o.rows) == parquetRows {
		if err := o.write(); err != nil {
			return err
		}
	}
	if o.all == s3Records {
		return o.end()
	}
	return nil
}

func (o *parquetObject) write() error {
	_, err := o.writer.Write(o.rows)
	o.rows = o.rows[:0]
	return err
}

func (o *parquetObject) end() error {
	if o.all == 0 {
		return nil
	}
	if err := o.write(); err != nil {
		return err
	}
	if err := o.writer.Close(); err != nil {
		return err
	}
	err := o.put(o.n, o.body.Bytes())
	o.body.Reset()
	o.writer.Reset(&o.body)
	o.all, o.n = 0, o.n+1
	return err
}

// pipelineParquet writes trips as Parquet into S3. Columns of JSON are set, those of Avro are its own.
func pipelineParquet(columns string, more ...connector.Option) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error {
		c := s3Config(s)
		c.Format.Parquet, c.Schema.Columns = new(s3.Parquet), columns
		sink, err := c.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
		return staged(ctx, s, sink, "parquet", more...)
	}
}
