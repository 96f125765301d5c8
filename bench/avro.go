package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/linkedin/goavro/v2"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/glue"
)

// tripSchema is that of a trip: what the JSON of the same trips holds.
const tripSchema = `{"type":"record","name":"Trip","namespace":"cars","fields":[
{"name":"trip_id","type":"string"},{"name":"car_id","type":"string"},{"name":"driver","type":"string"},
{"name":"start_ts","type":"long"},{"name":"distance_m","type":"int"},{"name":"speed","type":"double"},
{"name":"pos","type":{"type":"record","name":"Pos","fields":[{"name":"lng","type":"double"},{"name":"lat","type":"double"}]}},
{"name":"status","type":{"type":"enum","name":"Status","symbols":["driving","parked","charging"]}},{"name":"city","type":"string"},
{"name":"tags","type":{"type":"array","items":"string"}},{"name":"seq","type":"long"}]}`

// tripID is the schema version in the headers of tripsGlue, which is found in a folder: no registry is asked.
var tripID = [16]byte{0x6c, 0x9d, 0x0d, 0x25, 0x5b, 0x2c, 0x4e, 0x6e, 0x9d, 0x50, 0x4a, 0xd6, 0xb2, 0xc9, 0xc0, 0xd5}

// A tripEncoder makes Avro of a trip's JSON.
type tripEncoder struct {
	encoder *avro.Encoder
	tape    *serde.Tape
}

func newTripEncoder() (*tripEncoder, error) {
	s, err := avro.Parse(tripSchema)
	if err != nil {
		return nil, err
	}
	e, err := avro.NewEncoder(s)
	return &tripEncoder{e, serde.NewTape()}, err
}

func (e *tripEncoder) append(dst, trip []byte) ([]byte, error) {
	e.tape.Reset()
	v, err := e.tape.JSON(trip, serde.Limits{})
	if err != nil {
		return nil, err
	}
	return e.encoder.Append(dst, v)
}

// someTrips are 1,000 trips as Avro, which the cases in memory decode again and again.
func someTrips() ([][]byte, error) {
	e, err := newTripEncoder()
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, 1000)
	for i := range all {
		_, trip := record(trips, int64(i), random)
		if all[i], err = e.append(nil, trip); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// repeat calls f with so many trips.
func repeat(s settings, f func(data []byte) error) error {
	all, err := someTrips()
	if err != nil {
		return err
	}
	for i := range s.records {
		if err := f(all[i%int64(len(all))]); err != nil {
			return err
		}
	}
	return nil
}

// floorAvro decodes with goavro, and makes its JSON text.
func floorAvro(text bool) func(context.Context, settings) error {
	return func(_ context.Context, s settings) error {
		codec, err := goavro.NewCodec(tripSchema)
		if err != nil {
			return err
		}
		var out []byte
		return repeat(s, func(data []byte) error {
			v, _, err := codec.NativeFromBinary(data)
			if err == nil && text {
				out, err = codec.TextualFromNative(out[:0], v)
			}
			return err
		})
	}
}

// avroBatch is how many records share a tape.
const avroBatch = 256

func program() (*avro.Program, error) {
	s, err := avro.Parse(tripSchema)
	if err != nil {
		return nil, err
	}
	return avro.Compile(s, avro.Options{})
}

func pipelineAvroJSON(_ context.Context, s settings) error {
	p, err := program()
	if err != nil {
		return err
	}
	var out []byte
	return repeat(s, func(data []byte) error {
		out, err = p.AppendJSON(out[:0], data)
		return err
	})
}

func pipelineAvroValues(_ context.Context, s settings) error {
	p, err := program()
	if err != nil {
		return err
	}
	tape, n := serde.NewTape(), 0
	return repeat(s, func(data []byte) error {
		if n++; n%avroBatch == 0 {
			tape.Reset()
		}
		_, err := p.Decode(tape, data)
		return err
	})
}

// pipelineGlue reads messages of AWS Glue's registry.
func pipelineGlue(pipeline func(more ...connector.Option) func(context.Context, settings) error) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error {
		if err := os.WriteFile(filepath.Join(s.dir, glue.FormatID(tripID)+".avsc"), []byte(tripSchema), 0o600); err != nil {
			return err
		}
		c := glue.DefaultConfig()
		c.Region, c.SchemaFolder = "us-east-1", s.dir
		d, err := c.Open(ctx)
		if err != nil {
			return err
		}
		err = pipeline(connector.WithDecoder(d))(ctx, s)
		return errors.Join(err, d.Close())
	}
}

// glueLines and glueParquet are pipelines of which only the decoder is another.
func glueLines(compression string) func(more ...connector.Option) func(context.Context, settings) error {
	return func(more ...connector.Option) func(context.Context, settings) error {
		return pipelineS3(compression, "json", more...)
	}
}

func glueParquet(more ...connector.Option) func(context.Context, settings) error {
	return pipelineParquet("", more...)
}

// glueRecord is a trip as AWS's serializer would write it.
func (e *tripEncoder) glueRecord(trip []byte) ([]byte, error) {
	return e.append(glue.AppendHeader(nil, tripID, false), trip)
}
