package chaintest

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/connector"
)

// A FaultFunc decides what becomes of each call of a view: call is the name of the function (Put, Complete, ...), key the
// object's key, List's prefix or the folder of Uploads. It is called without a lock held, so it may use the Memory's own functions, and at
// the same time by those who call at the same time.
type FaultFunc func(call, key string) Fault

// A Fault is what becomes of a call. The zero Fault is none.
type Fault struct {
	Fate  Fate
	Class connector.Class // of the error that is answered
	// After is when a Late call is applied: just before the After-th call from now, by any view. 0: by Land or LandAt only.
	After int
}

// A Fate is whether a call is applied and whether its answer arrives.
type Fate uint8

// What can become of a call. After all but the first, the caller gets an error that isn't the store's answer.
const (
	Done    Fate = iota // applied and answered
	Refused             // not applied, and never will be
	Silent              // applied, but the answer is lost
	Late                // applied later; a call that only reads is Refused instead
)

// A late call waits to be applied.
type late struct {
	text  string
	left  int // calls until then; 0: for ever
	apply func(*shelf)
}

// do makes one call. apply runs with the shelf locked: now, later or never.
func do[T any](ctx context.Context, m *Memory, call, key string, apply func(*shelf) (T, error)) (answer T, err error) {
	what := call + " " + key
	if err := ctx.Err(); err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	var f Fault
	if m.fault != nil {
		f = m.fault(call, key)
	}
	s := m.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	m.calls[call]++
	s.tick()
	switch f.Fate {
	case Refused:
		return answer, f.Class.Errorf("%s: refused on purpose", what)
	case Silent:
		_, _ = apply(s) // nobody hears what came of it
		return answer, f.Class.Errorf("%s: the answer was lost on purpose", what)
	case Late:
		if changes(call) {
			s.late = append(s.late, late{text: what, left: f.After, apply: func(s *shelf) { _, _ = apply(s) }})
		}
		return answer, f.Class.Errorf("%s: delayed on purpose", what)
	}
	got, err := apply(s)
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return got, nil
}

// change is do for calls that answer an error only.
func change(ctx context.Context, m *Memory, call, key string, apply func(*shelf) error) error {
	_, err := do(ctx, m, call, key, func(s *shelf) (struct{}, error) { return struct{}{}, apply(s) })
	return err
}

func changes(call string) bool {
	switch call {
	case "List", "Get", "Look", "Uploads":
		return false
	}
	return true
}

// tick applies the late calls whose time has come.
func (s *shelf) tick() {
	for i := 0; i < len(s.late); {
		l := &s.late[i]
		l.left--
		if l.left != 0 {
			i++
			continue
		}
		s.land(i)
	}
}

func (s *shelf) land(i int) {
	l := s.late[i]
	s.late = slices.Delete(s.late, i, i+1)
	l.apply(s)
}

// Late are the calls of all views that wait to be applied, in the order in which they were made: "Put KEY".
func (m *Memory) Late() []string {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	var texts []string
	for i := range m.shelf.late {
		texts = append(texts, m.shelf.late[i].text)
	}
	return texts
}

// Land applies all late calls in the order in which they were made, and returns how many.
func (m *Memory) Land() int {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	n := len(m.shelf.late)
	for len(m.shelf.late) > 0 {
		m.shelf.land(0)
	}
	return n
}

// LandAt applies the late call at an index of Late.
func (m *Memory) LandAt(i int) {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	m.shelf.land(i)
}
