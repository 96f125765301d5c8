//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The environment variables that say what happens.
const (
	envPoint = "MILLRACE_FAILPOINT"
	envLog   = "MILLRACE_FAILPOINT_LOG"
)

// Package state: what the environment says, read when the first point is reached, and how often the point is to be passed yet.
var here = sync.OnceValue(read)

// A plan is where the process dies.
type plan struct {
	name string
	log  *os.File // nil: nobody wants to know

	mu   sync.Mutex
	left int // calls until it dies
}

// Here kills the process if it is the call that the environment names.
func Here(name string) { here().reach(name) }

func read() *plan {
	p, err := parse(os.Getenv(envPoint))
	if err != nil {
		panic(err)
	}
	if file := os.Getenv(envLog); file != "" {
		if p.log, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			panic(fmt.Sprintf("%s: %v", envLog, err))
		}
	}
	return p
}

// parse reads name:K. Nothing is nowhere.
func parse(text string) (*plan, error) {
	if text == "" {
		return &plan{}, nil
	}
	name, number, _ := strings.Cut(text, ":")
	k, err := strconv.Atoi(number)
	if err != nil || k < 1 || !slices.Contains(Names, name) {
		return nil, fmt.Errorf("%s is %q; it is name:K, with a name of failpoint.Names and K from 1 on", envPoint, text)
	}
	return &plan{name: name, left: k}, nil
}

func (p *plan) reach(name string) {
	if p.log != nil {
		_, _ = p.log.WriteString(name + "\n") // a file opened to append: a line is whole
	}
	if name != p.name {
		return
	}
	p.mu.Lock()
	p.left--
	dies := p.left == 0
	p.mu.Unlock()
	if dies {
		kill()
	}
}

// kill ends the process as kill -9 does: nothing is flushed, closed or told.
func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}
