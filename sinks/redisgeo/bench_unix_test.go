//go:build unix

package redisgeo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// BenchmarkLoadAgainstBare interleaves Loads of 1,000 records with bare GEOADDs of the same positions, which are
// parsed beforehand, both to a server in this process that only reads. It counts CPU time, of the server
// too; ratio is what a Load costs of a bare GEOADD.
func BenchmarkLoadAgainstBare(b *testing.B) {
	for name, change := range map[string]func(*Config){
		"fast":           func(*Config) {},
		"set per city":   func(c *Config) { c.Key = "cars#{value.city}" },
		"newest":         func(c *Config) { c.Write = writeNewest },
		"fast, expiring": func(c *Config) { c.Expire = connector.Duration(time.Hour) },
	} {
		b.Run(name, func(b *testing.B) {
			addr := nullServer(b)
			s := open(b, config(addr, func(c *Config) { c.Mode = modeSingle }, change))
			bare := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
			defer bare.Close()
			batches, locations := positionsOf(b, 20, 1000)
			var ours, theirs time.Duration
			n := 0
			for b.Loop() {
				i := n % len(batches)
				n++
				start := cpu()
				if err := s.Load(b.Context(), batches[i]); err != nil {
					b.Fatal(err)
				}
				half := cpu()
				geo := make([]*redis.GeoLocation, len(locations[i]))
				for k := range geo {
					geo[k] = &locations[i][k]
				}
				if err := bare.GeoAdd(b.Context(), "cars#gps", geo...).Err(); err != nil {
					b.Fatal(err)
				}
				ours += half - start
				theirs += cpu() - half
			}
			records := float64(n * 1000)
			b.ReportMetric(float64(ours.Nanoseconds())/records, "ns/record")
			b.ReportMetric(float64(theirs.Nanoseconds())/records, "bare-ns/record")
			b.ReportMetric(float64(ours)/float64(theirs), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	s := open(b, config(nullServer(b), func(c *Config) { c.Mode = modeSingle }))
	batches, _ := positionsOf(b, 20, 1000)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Load(b.Context(), batches[n%len(batches)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkKey(b *testing.B) {
	s := open(b, config(nullServer(b), func(c *Config) { c.Mode = modeSingle }))
	batches, _ := positionsOf(b, 1, 1000)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		s.Key(batches[0], n%1000)
		n++
	}
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// positionsOf makes batches of the positions of 20,000 cars, and the same parsed.
func positionsOf(t testing.TB, batches, records int) ([]*connector.Batch, [][]redis.GeoLocation) {
	random := rand.New(rand.NewPCG(1, 2))
	var bs []*connector.Batch
	var ls [][]redis.GeoLocation
	for n := range batches {
		rs := make([]connectortest.R, records)
		l := make([]redis.GeoLocation, records)
		for i := range rs {
			l[i] = redis.GeoLocation{
				Name:      fmt.Sprintf("car-%05d", random.IntN(20000)),
				Longitude: float64(126_000_000+random.IntN(2_000_000)) / 1e6,
				Latitude:  float64(36_000_000+random.IntN(2_000_000)) / 1e6,
			}
			rs[i] = connectortest.R{
				Key: l[i].Name, Offset: int64(n*records + i),
				Value: fmt.Sprintf(`{"lng":%.6f,"lat":%.6f,"city":"c%d"}`, l[i].Longitude, l[i].Latitude, random.IntN(10)),
			}
		}
		bs = append(bs, connectortest.Batch(t, "cars.gps.json", 0, rs...))
		ls = append(ls, l)
	}
	return bs, ls
}

// nullServer reads commands and says 0 to each that writes.
func nullServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				if err := swallow(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Log(err)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func swallow(c net.Conn) error {
	r := bufio.NewReaderSize(c, 256<<10)
	length := func() (int, error) {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(line[1 : len(line)-2]))
	}
	for {
		args, err := length()
		if err != nil {
			return err
		}
		reply := ":0\r\n"
		for i := range args {
			n, err := length()
			if err != nil {
				return err
			}
			if i == 0 {
				switch name, _ := r.Peek(n); string(name) {
				case "hello":
					reply = "-ERR unknown command\r\n"
				case "ping":
					reply = "+PONG\r\n"
				}
			}
			if _, err := r.Discard(n + 2); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return err
		}
	}
}
