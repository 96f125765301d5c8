package staging_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/staging"
	serdejson "github.com/millrace/millrace/serde/json"
)

// Whole connectors over a log and a store in memory, in virtual time. Processes come, are killed, and keep partitions that others own
// already, so that two write the same range; calls of the store fail, lose their answers and are applied late. At the end
// each record is there exactly once. MILLRACE_SEEDS makes it longer; MILLRACE_SEED is one seed alone. See internal/seeds, which leaves nothing to chance.
func TestProcessesComeAndGo(t *testing.T) {
	first, n := 0, 60
	if seed, err := strconv.Atoi(os.Getenv("MILLRACE_SEED")); err == nil {
		first, n = seed, 1
	} else if seeds, err := strconv.Atoi(os.Getenv("MILLRACE_SEEDS")); err == nil {
		n = seeds
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(seed))
			synctest.Test(t, func(t *testing.T) { newPlay(t, uint64(seed)).run() })
		})
	}
}

const (
	playTopic      = "cars"
	playPartitions = 3
	playRecords    = 1500
)

// A play is one run: a log, a store, and processes.
type play struct {
	t     *testing.T
	log   *connectortest.Log
	store *chaintest.Memory
	cast  sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	calm   bool // no more faults
	trace  hash.Hash64
}

func newPlay(t *testing.T, seed uint64) *play {
	return &play{
		t: t, random: rand.New(rand.NewPCG(seed, 4)), trace: fnv.New64a(), log: connectortest.NewLog(),
		store: chaintest.NewMemory(chaintest.Options{Forget: seed%2 == 0}),
	}
}

func partition(i int) connector.Partition { return connector.Partition{Topic: playTopic, ID: int32(i)} }

func (p *play) intN(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draw(n)
}

// draw notes when it is asked: two runs with the same trace went the same way.
func (p *play) draw(n int) int {
	_ = binary.Write(p.trace, binary.LittleEndian, [2]int64{time.Now().UnixNano(), int64(n)})
	return p.random.IntN(n)
}

// traced is the trace so far. Processes that were left behind may still draw.
func (p *play) traced() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trace.Sum64()
}

// fault decides what becomes of a call of a living process.
func (p *play) fault() chaintest.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calm {
		return chaintest.Fault{}
	}
	switch p.draw(30) {
	case 0:
		return chaintest.Fault{Fate: chaintest.Refused}
	case 1:
		return chaintest.Fault{Fate: chaintest.Silent}
	case 2:
		return chaintest.Fault{Fate: chaintest.Late, After: 1 + p.draw(60)}
	}
	return chaintest.Fault{}
}

func (p *play) run() {
	ctx, end := context.WithCancel(p.t.Context())
	defer end()
	produced := make(chan struct{})
	go func() { defer close(produced); p.produce() }()

	alive := []*actor{p.enter(ctx), p.enter(ctx)}
	for range playPartitions {
		p.share(ctx, alive)
	}
	for range 25 {
		time.Sleep(time.Duration(1+p.intN(8)) * time.Second)
		i := p.intN(len(alive))
		switch p.intN(5) {
		case 0: // kill -9, and another one starts
			alive[i].die()
			alive[i] = p.enter(ctx)
		case 1: // a rolling update
			alive[i].stop()
			alive[i] = p.enter(ctx)
		case 2:
			if len(alive) < 3 {
				alive = append(alive, p.enter(ctx))
			}
		case 3: // what a member hears late that was thrown out of its group
			part := p.intN(playPartitions)
			alive[i].consumer.Lose(partition(part))
		}
		p.share(ctx, alive)
	}
	<-produced
	for _, a := range alive[1:] {
		a.die()
	}
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	p.store.Land()
	last := alive[0]
	for i := range playPartitions {
		last.consumer.Lose(partition(i))
		last.consumer.Assign(partition(i))
	}
	p.finish()
	last.stop()
	p.cast.Wait()
	p.check()
}

// share gives each partition to somebody, and takes it from those who have it, or not: then two own it.
func (p *play) share(ctx context.Context, alive []*actor) {
	for i := range playPartitions {
		if p.intN(3) == 0 {
			continue
		}
		to := p.intN(len(alive))
		for j, a := range alive {
			switch {
			case j == to:
			case p.intN(3) > 0:
				leaving, cancel := context.WithTimeout(ctx, time.Duration(p.intN(10))*time.Second)
				a.consumer.Revoke(leaving, partition(i))
				cancel()
			}
		}
		alive[to].consumer.Assign(partition(i))
	}
}

// finish waits until the group has committed everything.
func (p *play) finish() {
	var ends, at int64
	for range 600 {
		time.Sleep(time.Second)
		ends, at = playRecords, 0
		for i := range playPartitions {
			at += max(0, p.log.Committed(partition(i)).At)
		}
		if at == ends {
			return
		}
	}
	p.t.Errorf("after ten quiet minutes the group stands at %d of %d", at, ends)
}

// An actor is a process.
type actor struct {
	consumer *connectortest.Consumer
	dead     func()
	stop     func() // and wait
}

// die is kill -9: nothing that it does from now on has an effect.
func (a *actor) die() { a.dead() }

func (p *play) enter(ctx context.Context) *actor {
	var dead atomic.Bool
	view := p.store.View(func(string, string) chaintest.Fault {
		if dead.Load() {
			return chaintest.Fault{Fate: chaintest.Refused}
		}
		return p.fault()
	})
	consumer := connectortest.NewConsumer(p.log)
	consumer.CommitError = func([]connector.Offset) error {
		if dead.Load() || !p.quiet() && p.intN(10) == 0 {
			return errors.New("the commit failed on purpose")
		}
		return nil
	}
	c, err := p.connector(consumer, view)
	if err != nil {
		p.t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	p.cast.Go(func() {
		defer close(done)
		if err := c.Run(running); err != nil {
			p.t.Errorf("a connector ended with %v", err)
		}
	})
	synctest.Wait() // until it listens
	return &actor{consumer: consumer, dead: func() { dead.Store(true); cancel() }, stop: func() { cancel(); <-done }}
}

func (p *play) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calm
}

func (p *play) connector(consumer connector.Consumer, store chain.Store) (*connector.Connector, error) {
	decoder, err := serdejson.New(serdejson.DefaultConfig())
	if err != nil {
		return nil, err
	}
	path, err := staging.CompilePath("data/kind={value.kind}/", staging.DefaultNaming())
	if err != nil {
		return nil, err
	}
	codec, err := lines.NewCodec(lines.None, 0)
	if err != nil {
		return nil, err
	}
	age := time.Duration(1+p.intN(4)) * time.Second
	stager := staging.New(staging.Options{
		Store: store, Place: "memory", Chain: "main", Path: path,
		Format: staging.EncodeLines(lines.JSON, codec), MaxOpen: 100, MaxKey: 1024, MaxName: 255,
		Rotation: connector.Rotation{Size: 2000, Age: age, Seal: time.Minute, Adaptive: true},
	})
	odd := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		for i := range b.Len() {
			if b.At(i).Offset%5 == 4 {
				b.Filter(i)
			}
		}
		return nil
	})
	return connector.NewStaged(consumer, stager,
		connector.WithName("play"), connector.WithDecoder(decoder), connector.WithHandlers(odd), connector.WithPlan("one"),
		connector.WithRetry(50*time.Millisecond, 2*time.Second), connector.WithDrainTimeout(5*time.Second),
		connector.WithMetrics(p), connector.WithLogger(slog.New(slog.DiscardHandler)))
}

// Count hears what connectors do. Nobody drops an upload here that a link may name, so that none is ever to be written again.
func (p *play) Count(m connector.Metric, at connector.Partition, _ int64) {
	if m == "rotations_"+connector.Metric(connector.RotateMend) {
		p.t.Errorf("%s: an upload that a link names was gone, and was written again", at)
	}
}

// produce writes records for about two minutes.
func (p *play) produce() {
	for n := 0; n < playRecords; {
		for range 1 + p.intN(30) {
			if n == playRecords {
				return
			}
			p.log.Append(partition(n%playPartitions), connectortest.R{Value: fmt.Sprintf(`{"n":%d,"kind":%d}`, n, n%4)})
			n++
		}
		time.Sleep(time.Duration(p.intN(2500)) * time.Millisecond)
	}
}

// check compares what is visible with what Kafka holds.
func (p *play) check() {
	want := map[int]bool{}
	for n := range playRecords {
		if offset := n / playPartitions; offset%5 != 4 {
			want[n] = true
		}
	}
	times := map[int]int{}
	objects, lines := 0, 0
	for key, body := range p.store.Objects() {
		if strings.Contains(key, chain.Folder) {
			continue
		}
		objects++
		last := -1
		for line := range bytes.Lines(body) {
			var v struct{ N, Kind int }
			if err := json.Unmarshal(line, &v); err != nil {
				p.t.Errorf("%s: %s: %v", key, line, err)
			}
			if !strings.Contains(key, fmt.Sprintf("kind=%d/", v.Kind)) || v.N <= last {
				p.t.Errorf("%s: record %d is in the wrong file, or after %d", key, v.N, last)
			}
			last = v.N
			times[v.N]++
			lines++
		}
	}
	lost, repeated, phantom := 0, 0, 0
	for n := range want {
		if times[n] == 0 {
			lost++
		}
	}
	for n, k := range times {
		if !want[n] {
			phantom++
		} else if k > 1 {
			repeated++
		}
	}
	p.t.Logf("%d objects, %d lines; %d records wanted: %d lost, %d repeated, %d filtered ones there; trace %016x",
		objects, lines, len(want), lost, repeated, phantom, p.traced())
	if lost+repeated+phantom > 0 {
		p.t.Error("the store doesn't hold each record exactly once")
	}
	report, err := chain.Verify(context.Background(), p.store.View(nil), chain.VerifyOptions{Chain: "main", Unique: true})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, problem := range report.Problems {
		p.t.Errorf("verify: %+v", problem)
	}
}
