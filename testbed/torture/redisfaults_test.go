//go:build testbed

package torture

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// redisFaults stands before a Redis: it can refuse connections, and cut a connection in place of a reply to what Redis did. It is safe for many goroutines.
type redisFaults struct {
	addr string
	down atomic.Bool // refuse

	mu      sync.Mutex
	random  *rand.Rand
	share   float64 // of replies
	replies int     // chunks of them, one for a pipeline
	dropped int
	refused int
	open    map[net.Conn]bool
}

// newRedisFaults starts a proxy before upstream that makes no faults yet.
func newRedisFaults(r *rig, upstream string) *redisFaults {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	f := &redisFaults{addr: l.Addr().String(), random: rand.New(rand.NewPCG(r.seed, 3)), open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { f.serve(c, upstream) })
		}
	})
	r.t.Cleanup(func() {
		l.Close()
		f.refuse(true)
		running.Wait()
	})
	return f
}

// refuse cuts all connections and refuses new ones, or takes them again.
func (f *redisFaults) refuse(down bool) {
	f.down.Store(down)
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		c.Close()
	}
}

// drop makes the share of replies, from 0 to 1, in whose place the connection is cut.
func (f *redisFaults) drop(share float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.share = share
}

func (f *redisFaults) serve(client net.Conn, upstream string) {
	defer client.Close()
	f.mu.Lock()
	f.open[client] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.open, client)
		f.mu.Unlock()
	}()
	if f.down.Load() {
		f.mu.Lock()
		f.refused++
		f.mu.Unlock()
		return
	}
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = io.Copy(server, client) // ends with either connection
		server.Close()
	}()
	f.replyTo(client, server)
	client.Close()
	server.Close()
	<-asked
}

// replyTo passes what the server says until a reply is dropped.
func (f *redisFaults) replyTo(client, server net.Conn) {
	chunk := make([]byte, 64<<10)
	for {
		n, err := server.Read(chunk)
		if err != nil || f.drops() {
			return
		}
		if _, err := client.Write(chunk[:n]); err != nil {
			return
		}
	}
}

func (f *redisFaults) drops() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies++
	if f.random.Float64() >= f.share {
		return false
	}
	f.dropped++
	return true
}

func (f *redisFaults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d of %d replies dropped, %d connections refused", f.dropped, f.replies, f.refused)
}
