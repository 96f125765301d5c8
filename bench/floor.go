package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/serde"
)

// A worker takes the records of one partition.
type worker interface {
	take(r *kgo.Record) error
	end() error
}

// consume reads the topic once, without a group, each partition in a goroutine of its own.
func consume(ctx context.Context, s settings, start func(partition int32) (worker, error)) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(s.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxBytes(32<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	queues := map[int32]chan []*kgo.Record{}
	var running sync.WaitGroup
	failed := make(chan error, partitions)
	for seen := int64(0); seen < s.records; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			queue := queues[p.Partition]
			if queue == nil {
				queue = make(chan []*kgo.Record, 2)
				queues[p.Partition] = queue
				running.Go(func() {
					if err := work(p.Partition, queue, start); err != nil {
						failed <- err
					}
				})
			}
			seen += int64(len(p.Records))
			queue <- p.Records
		})
	}
	for _, q := range queues {
		close(q)
	}
	running.Wait()
	close(failed)
	return <-failed
}

func work(partition int32, queue chan []*kgo.Record, start func(int32) (worker, error)) error {
	w, err := start(partition)
	for rs := range queue {
		for i := 0; i < len(rs) && err == nil; i++ {
			err = w.take(rs[i])
		}
	}
	if err != nil {
		return err
	}
	return w.end()
}

// discard counts.
type discard struct{ n int }

func (d *discard) take(*kgo.Record) error { d.n++; return nil }
func (d *discard) end() error             { return nil }

func floorDiscard(ctx context.Context, s settings) error {
	return consume(ctx, s, func(int32) (worker, error) { return &discard{}, nil })
}

// lineFile writes values as lines through an encoder.
type lineFile struct {
	file *os.File
	buf  *bufio.Writer
	enc  io.WriteCloser
	line []byte
}

func (l *lineFile) take(r *kgo.Record) error {
	l.line = append(append(l.line[:0], r.Value...), '\n')
	_, err := l.enc.Write(l.line)
	return err
}

func (l *lineFile) end() error {
	if err := l.enc.Close(); err != nil {
		return err
	}
	if err := l.buf.Flush(); err != nil {
		return err
	}
	return l.file.Close()
}

func floorFiles(compression string) func(ctx context.Context, s settings) error {
	return func(ctx context.Context, s settings) error {
		return consume(ctx, s, func(p int32) (worker, error) {
			f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%d.%s", p, compression)))
			if err != nil {
				return nil, err
			}
			l := &lineFile{file: f, buf: bufio.NewWriterSize(f, 256<<10)}
			if compression == "gzip" {
				l.enc = gzip.NewWriter(l.buf)
				return l, nil
			}
			l.enc, err = zstd.NewWriter(l.buf, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			return l, err
		})
	}
}

// geo sends one GEOADD of 1,000 members at a time.
type geo struct {
	client   *redis.Client
	tape     *serde.Tape
	lng, lat *serde.Path
	args     []any
	n        int
}

const geoMembers = 1000

func (g *geo) take(r *kgo.Record) error {
	v, err := g.tape.JSON(r.Value, serde.Limits{})
	if err != nil {
		return err
	}
	lng, _ := v.Get(g.lng).Float64()
	lat, _ := v.Get(g.lat).Float64()
	g.args = append(g.args, lng, lat, string(r.Key))
	if g.n++; g.n == geoMembers {
		return g.send()
	}
	return nil
}

func (g *geo) send() error {
	if g.n == 0 {
		return nil
	}
	err := g.client.Do(context.Background(), g.args...).Err()
	g.args, g.n = append(g.args[:0], "GEOADD", "floor"), 0
	g.tape.Reset()
	return err
}

func (g *geo) end() error { return g.send() }

func floorRedis(ctx context.Context, s settings) error {
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	defer client.Close()
	return consume(ctx, s, func(int32) (worker, error) {
		lng, lat, err := twoPaths("lng", "lat")
		return &geo{client: client, tape: serde.NewTape(), lng: lng, lat: lat, args: []any{"GEOADD", "floor"}}, err
	})
}

func twoPaths(a, b string) (*serde.Path, *serde.Path, error) {
	pa, err := serde.CompilePath(a)
	if err != nil {
		return nil, nil, err
	}
	pb, err := serde.CompilePath(b)
	return pa, pb, err
}

// rule passes parsed values through a function written by hand, which appends the lines that it keeps.
type rule struct {
	tape  *serde.Tape
	apply func(dst []byte, v serde.Value) ([]byte, error)
	out   []byte
	n     int
}

func (f *rule) take(r *kgo.Record) error {
	v, err := f.tape.JSON(r.Value, serde.Limits{})
	if err != nil {
		return err
	}
	if f.out, err = f.apply(f.out, v); err != nil {
		return err
	}
	if f.n++; f.n%1000 == 0 {
		f.out = f.out[:0]
		f.tape.Reset()
	}
	return nil
}

func (f *rule) end() error { return nil }

func floorFilter(ctx context.Context, s settings) error {
	return consume(ctx, s, func(int32) (worker, error) {
		speed, status, err := twoPaths("speed", "status")
		return &rule{tape: serde.NewTape(), apply: func(dst []byte, v serde.Value) ([]byte, error) {
			kmh, _ := v.Get(speed).Float64()
			state, _ := v.Get(status).Text()
			if kmh <= 80 || string(state) != "driving" {
				return dst, nil
			}
			dst, err := v.AppendJSON(dst)
			return append(dst, '\n'), err
		}}, err
	})
}

func floorMap(ctx context.Context, s settings) error {
	return consume(ctx, s, func(int32) (worker, error) {
		car, started, err := twoPaths("car_id", "start_ts")
		if err != nil {
			return nil, err
		}
		distance, city, err := twoPaths("distance_m", "city")
		if err != nil {
			return nil, err
		}
		lng, _, err := twoPaths("pos.lng", "pos.lat")
		return &rule{tape: serde.NewTape(), apply: func(dst []byte, v serde.Value) (_ []byte, err error) {
			for _, f := range []struct {
				name string
				path *serde.Path
			}{{`{"car":`, car}, {`,"started":`, started}, {`,"city":`, city}, {`,"lng":`, lng}} {
				dst = append(dst, f.name...)
				if dst, err = v.Get(f.path).AppendJSON(dst); err != nil {
					return dst, err
				}
			}
			m, _ := v.Get(distance).Float64()
			dst = fmt.Appendf(dst, `,"km":%g`, m/1000)
			return append(dst, "}\n"...), nil
		}}, err
	})
}
