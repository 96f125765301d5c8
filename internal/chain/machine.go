package chain

import (
	"errors"
	"fmt"
	"slices"
)

// An Op is a kind of call.
type Op uint8

// The calls that machines make; each is the method of Store of that name.
const (
	OpList Op = iota + 1
	OpGet
	OpPut
	OpComplete
	OpLook
	OpAbort
	OpUploads
)

func (o Op) String() string {
	return [...]string{"none", "list", "get", "put", "complete", "look", "abort", "uploads"}[o]
}

// A Call is one call of a Store that is due. Its Body and Object are shared: nobody changes them.
type Call struct {
	Op     Op
	Key    string // of Get and Put; the prefix of List; the folder of Uploads
	After  string // of List
	Max    int    // of List
	Body   []byte // of Put
	Object *Object
	Fresh  bool // of Complete

	slot int // which of a machine's objects
}

// An Answer is what came of a Call.
type Answer struct {
	Err     error // nil, ErrExists or ErrMissing; after any other error nobody knows whether the call was or will be applied
	Keys    []string
	More    bool
	Body    []byte
	Sight   Sight
	Uploads []Object
}

// settled reports whether the answer says what happened.
func (a *Answer) settled() bool {
	return a.Err == nil || errors.Is(a.Err, ErrExists) || errors.Is(a.Err, ErrMissing)
}

// A Machine takes one step of the protocol, call by call. It is used by one goroutine.
//
// A call whose answer is in doubt stays due, unchanged: the machine asks the same again until it
// hears what happened. That is safe, because every call can be repeated, and needed, because a call that seems to have failed may
// still be applied.
type Machine interface {
	// Calls are the calls that are due, to be made at the same time or in any order. None: the machine has ended.
	Calls() []Call
	// Answer takes what came of one of Calls.
	Answer(c Call, a Answer)
	// Err is why the machine ended without success; its class is Lost or Permanent.
	Err() error
}

// A step is how far an object is on its way to be visible.
type step uint8

const (
	completing     step = iota
	lookingMissing      // Complete found no upload: it was completed before, or it is gone
	lookingTaken        // Complete found the key taken: by the object itself, or by another
	visible
	gone    // neither visible nor to be completed
	foreign // another object has the key
)

// A finish makes the objects of a link visible.
type finish struct {
	objects []Object
	steps   []step
	fresh   bool // whatever the objects say
}

func newFinish(objects []Object) finish {
	return finish{objects: objects, steps: make([]step, len(objects))}
}

func (f *finish) calls() []Call {
	var due []Call
	for i, s := range f.steps {
		o := &f.objects[i]
		switch s {
		case completing:
			due = append(due, Call{Op: OpComplete, Object: o, Fresh: f.fresh || !o.Unique, slot: i})
		case lookingMissing, lookingTaken:
			due = append(due, Call{Op: OpLook, Object: o, slot: i})
		}
	}
	return due
}

// due reports whether calls are due.
func (f *finish) due() bool {
	return slices.ContainsFunc(f.steps, func(s step) bool { return s < visible })
}

func (f *finish) answer(c Call, a Answer) {
	s := &f.steps[c.slot]
	switch {
	case c.Op == OpComplete && a.Err == nil:
		*s = visible
	case c.Op == OpComplete && errors.Is(a.Err, ErrMissing):
		*s = lookingMissing
	case c.Op == OpComplete:
		*s = lookingTaken
	case a.Sight == Ours:
		*s = visible
	case a.Sight == Foreign:
		*s = foreign
	case *s == lookingTaken: // it was removed meanwhile
		*s = completing
	default:
		*s = gone
	}
}

// gone are the objects that can't be made visible any more.
func (f *finish) gone() (lost []Object) {
	for i, s := range f.steps {
		if s == gone {
			lost = append(lost, f.objects[i])
		}
	}
	return lost
}

// taken is the key that another object has, if there is one.
func (f *finish) taken() (key string, ok bool) {
	for i, s := range f.steps {
		if s == foreign {
			return f.objects[i].Key, true
		}
	}
	return "", false
}

func (f *finish) clone() finish {
	c := *f
	c.steps = append([]step(nil), f.steps...)
	return c
}

func (f *finish) appendState(dst []byte) []byte {
	for i, s := range f.steps {
		dst = fmt.Appendf(dst, "%s %s %d,", f.objects[i].Key, f.objects[i].Upload, s)
	}
	return dst
}
