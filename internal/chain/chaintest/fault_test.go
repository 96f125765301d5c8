package chaintest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// once is a fault of the first call of a name.
func once(call string, f Fault) FaultFunc {
	return func(c, _ string) Fault {
		if c != call {
			return Fault{}
		}
		call = ""
		return f
	}
}

// faulty are all calls that change something, with what each leaves behind when it was applied.
func faulty(t *testing.T, m *Memory) map[string]struct {
	run     func(*Memory) error
	applied func() bool
} {
	t.Helper()
	ctx := t.Context()
	d, sealing, dropped := stagedIn(t, m, "complete", "1"), stagedIn(t, m, "seal", "1"), stagedIn(t, m, "abort", "1")
	open := chain.Object{Key: "write", Tail: "t", Dir: dir(0)}
	var err error
	if open.Upload, err = m.Begin(ctx, &open); err != nil {
		t.Fatal(err)
	}
	m.shelf.uploads[sealing.Upload].sealed = false
	has := func(id string) bool {
		return slices.ContainsFunc(m.Open(), func(o chain.Object) bool { return o.Upload == id })
	}
	return map[string]struct {
		run     func(*Memory) error
		applied func() bool
	}{
		"Put": {
			func(v *Memory) error { return put(ctx, v, "put", []byte("body")) },
			func() bool { return string(m.Objects()["put"]) == "body" },
		},
		"Begin": {
			func(v *Memory) error {
				id, err := v.Begin(ctx, &chain.Object{Key: "begin", Tail: "t", Dir: dir(0)})
				if err != nil && id != "" {
					t.Errorf("Begin answers %v and id %q", err, id)
				}
				return err
			},
			func() bool {
				return slices.ContainsFunc(m.Open(), func(o chain.Object) bool { return o.Key == "begin" })
			},
		},
		"Write": {
			func(v *Memory) error {
				var err error
				lend([]byte("part"), func(b chain.Bytes) { _, err = v.Write(ctx, &open, 1, 0, b) })
				return err
			},
			func() bool { return string(m.shelf.uploads[open.Upload].parts[1].body) == "part" },
		},
		"Seal":  {func(v *Memory) error { return v.Seal(ctx, &sealing.Object) }, func() bool { return m.shelf.uploads[sealing.Upload].sealed }},
		"Abort": {func(v *Memory) error { return v.Abort(ctx, &dropped.Object) }, func() bool { return !has(dropped.Upload) }},
		"Complete": {
			func(v *Memory) error {
				o := d.Object
				o.Parts = slices.Clone(o.Parts)
				err := v.Complete(ctx, &o, true)
				o.Parts[0], o.Key = chain.Part{}, "" // the caller's, to change
				return err
			},
			func() bool { return string(m.Objects()["complete"]) == "1" },
		},
	}
}

func TestFaults(t *testing.T) {
	for _, fate := range []Fate{Done, Refused, Silent, Late} {
		m := NewMemory(Options{})
		for call, c := range faulty(t, m) {
			v := m.View(once(call, Fault{Fate: fate, Class: connector.Systemic}))
			err := c.run(v)
			if (err == nil) != (fate == Done) || err != nil && connector.ClassOf(err) != connector.Systemic {
				t.Errorf("%s with fate %d answers %v of class %v", call, fate, err, connector.ClassOf(err))
			}
			if errors.Is(err, chain.ErrExists) || errors.Is(err, chain.ErrMissing) {
				t.Errorf("%s with fate %d answers %v, which isn't in doubt", call, fate, err)
			}
			if got, want := c.applied(), fate == Done || fate == Silent; got != want {
				t.Errorf("%s with fate %d: applied is %t, want %t", call, fate, got, want)
			}
			if v.Calls()[call] != 1 {
				t.Errorf("%s with fate %d is counted %d times", call, fate, v.Calls()[call])
			}
			if n := m.Land(); (n == 1) != (fate == Late) {
				t.Errorf("after %s with fate %d, %d calls land", call, fate, n)
			}
			if got, want := c.applied(), fate != Refused; got != want {
				t.Errorf("%s with fate %d: applied is %t after Land, want %t", call, fate, got, want)
			}
		}
	}
}

func TestFaultsOfReads(t *testing.T) {
	m := NewMemory(Options{})
	ctx := t.Context()
	d := stagedIn(t, m, "k", "1")
	if err := m.Put(ctx, "k", []byte("1")); err != nil {
		t.Fatal(err)
	}
	for _, fate := range []Fate{Refused, Silent, Late} {
		v := m.View(func(string, string) Fault { return Fault{Fate: fate} })
		keys, more, list := v.List(ctx, "", "", 10)
		body, get := v.Get(ctx, "k")
		saw, look := v.Look(ctx, &d.Object)
		found, uploads := v.Uploads(ctx, dir(0))
		for i, err := range []error{list, get, look, uploads} {
			if err == nil || connector.ClassOf(err) != connector.Retryable {
				t.Errorf("read %d with fate %d answers %v of class %v, want retryable", i, fate, err, connector.ClassOf(err))
			}
		}
		if keys != nil || more || body != nil || saw != chain.Nothing || found != nil {
			t.Errorf("with fate %d, answers come with errors: %q, %t, %q, %v, %v", fate, keys, more, body, saw, found)
		}
		if n := m.Land(); n != 0 {
			t.Errorf("%d reads with fate %d land", n, fate)
		}
	}
}

// A late Put may find the key taken, and a late Complete the upload gone: both then change nothing.
func TestLateCallsMeetWhatHappenedMeanwhile(t *testing.T) {
	m := NewMemory(Options{})
	ctx := t.Context()
	zombie := m.View(func(string, string) Fault { return Fault{Fate: Late} })
	d := stagedIn(t, m, "k", "1")
	if zombie.Put(ctx, "a", []byte("late")) == nil || zombie.Complete(ctx, &d.Object, true) == nil || zombie.Abort(ctx, &d.Object) == nil {
		t.Fatal("a late call answers nil")
	}
	if got, want := m.Late(), []string{"Put a", "Complete k", "Abort k"}; !slices.Equal(got, want) {
		t.Fatalf("late are %q, want %q", got, want)
	}
	if err := m.Put(ctx, "a", []byte("first")); err != nil {
		t.Fatal(err)
	}
	m.LandAt(2)
	if len(m.Open()) != 0 {
		t.Error("the Abort didn't land")
	}
	if got, want := m.Late(), []string{"Put a", "Complete k"}; !slices.Equal(got, want) {
		t.Errorf("late are %q, want %q", got, want)
	}
	if n := m.Land(); n != 2 {
		t.Errorf("%d calls land, want 2", n)
	}
	if got := m.Objects(); len(got) != 1 || string(got["a"]) != "first" {
		t.Errorf("there are %q, want the first Put alone", got)
	}
}

// After counts the calls of all views: the call lands just before the After-th.
func TestLateCallLandsByItself(t *testing.T) {
	m := NewMemory(Options{})
	ctx := t.Context()
	late := func(key string, after int) {
		t.Helper()
		if m.View(once("Put", Fault{Fate: Late, After: after})).Put(ctx, key, []byte("late")) == nil {
			t.Fatal("a late Put answers nil")
		}
		if m.Objects()[key] != nil {
			t.Errorf("a late Put of %q is applied before the next call", key)
		}
	}
	late("a", 1)
	if err := m.Put(ctx, "a", []byte("next")); !errors.Is(err, chain.ErrExists) {
		t.Errorf("the call after a late Put answers %v, want ErrExists", err)
	}
	late("b", 2)
	for i, want := range []error{chain.ErrMissing, nil} {
		if _, err := m.View(nil).Get(ctx, "b"); !errors.Is(err, want) {
			t.Errorf("call %d after a late Put answers %v, want %v", i+1, err, want)
		}
	}
	late("c", 0)
	for range 10 {
		if _, err := m.Get(ctx, "c"); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("a Put that only Land applies came by itself: %v", err)
		}
	}
	if n := m.Land(); n != 1 {
		t.Errorf("%d calls land, want 1", n)
	}
}

func TestLateCallsLandInTheirOrder(t *testing.T) {
	m := NewMemory(Options{})
	v := m.View(func(string, string) Fault { return Fault{Fate: Late} })
	for _, body := range []string{"first", "second"} {
		if v.Put(t.Context(), "k", []byte(body)) == nil {
			t.Fatal("a late Put answers nil")
		}
	}
	if n := m.Land(); n != 2 || string(m.Objects()["k"]) != "first" {
		t.Errorf("%d calls land and leave %q, want the first of 2", n, m.Objects()["k"])
	}
}

func TestFaultFuncMayUseTheMemory(t *testing.T) {
	m := NewMemory(Options{})
	v := m.View(func(call, key string) Fault {
		m.Delete(key)
		m.Land()
		return Fault{}
	})
	for range 2 {
		if err := v.Put(t.Context(), "k", nil); err != nil {
			t.Error(err)
		}
	}
}

// A call whose context has ended isn't made: no fault, no count.
func TestEndedContextIsNoCall(t *testing.T) {
	m := NewMemory(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := m.View(func(string, string) Fault {
		t.Error("a fault is asked for")
		return Fault{}
	})
	if err := v.Put(ctx, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Put answers %v, want the context's error", err)
	}
	if n := v.Calls()["Put"]; n != 0 {
		t.Errorf("%d calls are counted", n)
	}
}
