package connectortest

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Whole connectors with a Loader, over a log and a store in memory, in virtual time. Processes come, are killed, are stopped and come back as
// zombies, and give partitions away while calls are under way, so that acks come late; calls fail, as a whole and in part, lose
// their answers, are applied late, and the dead letter fails. At the end each record has arrived or is buried, each key holds its newest record, no
// record overtook one of its key, and no committed offset moved back. MILLRACE_SEEDS makes it longer; MILLRACE_SEED is one seed alone. See internal/seeds,
// which leaves nothing to chance.
func TestLoadersComeAndGo(t *testing.T) {
	first, n := 0, 60
	if seed, err := strconv.Atoi(os.Getenv("MILLRACE_SEED")); err == nil {
		first, n = seed, 1
	} else if seeds, err := strconv.Atoi(os.Getenv("MILLRACE_SEEDS")); err == nil {
		n = seeds
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(seed))
			synctest.Test(t, func(t *testing.T) { newLoaderPlay(t, uint64(seed)).run() })
		})
	}
}

const (
	playPartitions = 3
	playRecords    = 500 // of each partition
	playKeys       = 40  // of each partition
)

// A loaderPlay is one run: a log, a store, and processes.
type loaderPlay struct {
	t     *testing.T
	log   *Log
	shelf *shelf
	dead  *DeadLetter
	cast  sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	calm   bool       // no more faults
	keys   [][]string // by partition and offset
	trace  hash.Hash64
	owner  map[connector.Partition]*actor
}

func newLoaderPlay(t *testing.T, seed uint64) *loaderPlay {
	p := &loaderPlay{
		t: t, random: rand.New(rand.NewPCG(seed, 9)), log: NewLog(), shelf: newShelf(), dead: &DeadLetter{},
		keys: make([][]string, playPartitions), trace: fnv.New64a(), owner: map[connector.Partition]*actor{},
	}
	p.dead.Refuse = func([]connector.Failure) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.calm && p.random.IntN(4) == 0 {
			return connector.Retryable.Wrap(errRefused)
		}
		return nil
	}
	return p
}

func filtered(offset int64) bool { return offset%5 == 4 }
func poison(offset int64) bool   { return offset%41 == 40 && !filtered(offset) }

func part(i int) connector.Partition { return connector.Partition{Topic: "cars", ID: int32(i)} }

// intN draws, and notes when: two runs with the same trace went the same way.
func (p *loaderPlay) intN(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draw(n)
}

func (p *loaderPlay) draw(n int) int {
	k := p.random.IntN(n)
	_ = binary.Write(p.trace, binary.LittleEndian, [2]int64{time.Now().UnixNano(), int64(n)})
	return k
}

// fate decides what becomes of a call of a living process. One of many records may last longer than a call may; single ones don't, so that
// those which are tried one by one are answered in the time of one call.
func (p *loaderPlay) fate(many bool) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := fate{after: time.Duration(p.draw(400)) * time.Millisecond, poisoned: p.draw(2) == 0}
	if p.calm {
		return f
	}
	f.deaf, f.partly = p.draw(2) == 0, p.draw(10) < 3
	switch p.draw(25) {
	case 0:
		f.refused = true
	case 1, 2:
		f.silent = true
	case 3, 4:
		f.late = time.Duration(1+p.draw(8000)) * time.Millisecond
	case 5:
		if many {
			f.after += 7 * time.Second // beyond the timeout of a call
		}
	}
	return f
}

// following is the next offset of a key behind one that has to be written; -1 if there is none.
func (p *loaderPlay) following(id int32, key string, last int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for offset := last + 1; offset < int64(len(p.keys[id])); offset++ {
		if p.keys[id][offset] == key && ordered(offset) {
			return offset
		}
	}
	return -1
}

func (p *loaderPlay) run() {
	ctx, end := context.WithCancel(p.t.Context())
	defer end()
	produced := make(chan struct{})
	go func() { defer close(produced); p.produce() }()

	alive := []*actor{p.enter(ctx), p.enter(ctx)}
	p.share(ctx, alive)
	for range 25 {
		time.Sleep(time.Duration(500+p.intN(8000)) * time.Millisecond)
		i := p.intN(len(alive))
		switch p.intN(6) {
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
		case 3: // it is stopped, is thrown out of the group, and its calls go on
			alive[i].zombie.Store(true)
		case 4: // and hears of it
			alive[i].wake()
		}
		p.share(ctx, alive)
	}
	<-produced
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	last := alive[0]
	last.wake()
	for _, a := range alive[1:] {
		a.die()
	}
	for i := range playPartitions {
		last.leave(ctx, part(i), time.Minute)
		last.take(part(i))
	}
	p.finish()
	last.stop()
	p.cast.Wait()
	time.Sleep(time.Minute) // what is applied late
	p.check()
}

// share gives partitions to living members, as a group does: their owners are asked to let go, for so long, or don't hear of it.
func (p *loaderPlay) share(ctx context.Context, alive []*actor) {
	for i := range playPartitions {
		at := part(i)
		to := alive[p.intN(len(alive))]
		if to.zombie.Load() || p.owner[at] == to && p.intN(4) > 0 {
			continue
		}
		if from := p.owner[at]; from != nil && !from.zombie.Load() {
			from.leave(ctx, at, time.Duration(p.intN(10_000))*time.Millisecond)
		}
		to.take(at)
	}
}

// finish waits until the group has committed everything.
func (p *loaderPlay) finish() {
	for range 600 {
		time.Sleep(time.Second)
		done := 0
		for i := range playPartitions {
			if p.log.Committed(part(i)).At == playRecords {
				done++
			}
		}
		if done == playPartitions {
			return
		}
	}
	p.t.Error("after ten quiet minutes the group hasn't committed everything")
}

// produce writes records for about two minutes.
func (p *loaderPlay) produce() {
	for n := 0; n < playRecords*playPartitions; {
		for range 1 + p.intN(40) {
			if n == playRecords*playPartitions {
				return
			}
			id := n % playPartitions
			key := fmt.Sprintf("%d-%d", id, p.intN(playKeys))
			p.mu.Lock()
			p.keys[id] = append(p.keys[id], key)
			p.mu.Unlock()
			p.log.Append(part(id), R{Key: key, Value: strconv.Itoa(n)})
			n++
		}
		time.Sleep(time.Duration(p.intN(3500)) * time.Millisecond)
	}
}

// An actor is a process.
type actor struct {
	play     *loaderPlay
	consumer *Consumer
	counter  *counter
	zombie   *atomic.Bool // the group has thrown it out, and it doesn't know
	dead     *atomic.Bool
	cancel   context.CancelFunc
	done     chan struct{}
}

// die is kill -9: nothing that it does from now on has an effect.
func (a *actor) die() {
	a.dead.Store(true)
	a.cancel()
	a.gone()
}

func (a *actor) stop() {
	a.cancel()
	<-a.done
	a.gone()
}

// gone takes what is left of it out of the group.
func (a *actor) gone() {
	for at, owner := range a.play.owner {
		if owner == a {
			delete(a.play.owner, at)
		}
	}
}

// wake tells a zombie that it has lost everything.
func (a *actor) wake() {
	if !a.zombie.Load() {
		return
	}
	for i := range playPartitions {
		a.consumer.Lose(part(i))
	}
	a.gone()
	a.zombie.Store(false)
}

func (a *actor) leave(ctx context.Context, at connector.Partition, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	a.consumer.Revoke(ctx, at)
}

func (a *actor) take(at connector.Partition) {
	a.counter.begin(at, max(0, a.play.log.Committed(at).At))
	a.play.owner[at] = a
	a.consumer.Assign(at)
}

func (p *loaderPlay) enter(ctx context.Context) *actor {
	a := &actor{play: p, zombie: new(atomic.Bool), dead: new(atomic.Bool), consumer: NewConsumer(p.log), done: make(chan struct{})}
	a.counter = &counter{shelf: p.shelf, play: p, dead: a.dead, terms: map[connector.Partition]*term{}}
	a.consumer.CommitError = func([]connector.Offset) error {
		// A broker takes what a member commits for partitions that others own by now; it refuses only who isn't a member.
		if a.dead.Load() || a.zombie.Load() || !p.quiet() && p.intN(10) == 0 {
			return errRefused
		}
		return nil
	}
	c, err := connector.New(a.consumer, a.counter,
		connector.WithName("play"), connector.WithKeyDecoder(serde.StringDecoder{}), connector.WithDecoder(serde.StringDecoder{}),
		connector.WithDeadLetter(&grave{p.dead, a.dead}), connector.WithHandlers(connector.HandlerFunc(odd)),
		connector.WithRetry(50*time.Millisecond, 2*time.Second), connector.WithDrainTimeout(5*time.Second), connector.WithCommitInterval(700*time.Millisecond),
		connector.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		p.t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	a.cancel = cancel
	p.cast.Go(func() {
		defer close(a.done)
		if err := c.Run(running); err != nil {
			p.t.Errorf("a connector ended with %v", err)
		}
	})
	synctest.Wait() // until it listens
	return a
}

// odd filters.
func odd(_ context.Context, b *connector.Batch) error {
	for i := range b.Len() {
		if filtered(b.At(i).Offset) {
			b.Filter(i)
		}
	}
	return nil
}

func (p *loaderPlay) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calm
}

// A grave is the dead letter as one process gets to it.
type grave struct {
	*DeadLetter
	dead *atomic.Bool
}

func (g *grave) Bury(ctx context.Context, fs []connector.Failure) error {
	if g.dead.Load() {
		return connector.Retryable.Wrap(errRefused)
	}
	return g.DeadLetter.Bury(ctx, fs)
}
