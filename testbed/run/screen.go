package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// patience is how long nothing may be said while something is going on.
const patience = 15 * time.Second

// A screen prints progress in at most 80 columns, in colour on a terminal.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	colour   bool
	lastLine time.Time
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{out: f, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// title begins a part of the run.
func (s *screen) title(text string) {
	s.line("")
	s.line("%s", s.paint(bold, text))
}

func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastLine = time.Now()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// step runs f and says how long it took, and in between that it still runs.
func (s *screen) step(what string, f func() error) error {
	begin := time.Now()
	stop := s.remind(func() string {
		return fmt.Sprintf("...   %s, for %s now", what, seconds(time.Since(begin)))
	})
	err := f()
	stop()
	s.done(what, time.Since(begin), err)
	return err
}

// done says how something ended. What err says beyond its first line comes with the table, or now.
func (s *screen) done(what string, took time.Duration, err error) {
	mark := s.paint(green, "ok  ")
	if err != nil {
		mark = s.paint(red, "FAIL")
	}
	s.line("%s  %-58s %10s", mark, what, seconds(took))
}

// remind prints text whenever nothing was printed for a while, ever more rarely, until stop is called.
func (s *screen) remind(text func() string) (stop func()) {
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		said, wait := time.Now(), patience
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if last := s.last(); last.After(said) {
				said, wait = last, patience
			}
			if time.Since(said) >= wait {
				s.line("%s", text())
				said, wait = s.last(), min(2*wait, time.Minute)
			}
		}
	})
	return func() { close(done); ended.Wait() }
}

// last is when the last line was printed.
func (s *screen) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastLine
}

// seconds writes a duration as people read it: 0.3 s, 12 s, 3 min 20 s.
func seconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 99.5:
		return fmt.Sprintf("%.0f s", s)
	default:
		return fmt.Sprintf("%d min %02d s", int(s)/60, int(s)%60)
	}
}

// indent puts four spaces before each line.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
