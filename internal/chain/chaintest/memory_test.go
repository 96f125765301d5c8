package chaintest

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// stagedIn stages a small object in a Memory.
func stagedIn(t *testing.T, m *Memory, key string, parts ...string) *draft {
	t.Helper()
	d := &draft{Object: chain.Object{Key: key, Tail: "tail of " + key, Dir: dir(0), Seq: 7}}
	var bodies [][]byte
	for _, p := range parts {
		bodies = append(bodies, []byte(p))
	}
	if err := d.stage(t.Context(), m, bodies...); err != nil {
		t.Fatal(err)
	}
	return d
}

// What a caller may not do by the contract is an error of class Fatal that names it, and changes nothing.
func TestMemoryIsStrict(t *testing.T) {
	m := NewMemory(Options{MinPart: 5})
	ctx := t.Context()
	completed := func(change func(*draft)) error {
		d := stagedIn(t, m, "k", "12345", "6")
		change(d)
		return m.Complete(ctx, &d.Object, false)
	}
	begin := func(o chain.Object) error {
		_, err := m.Begin(ctx, &o)
		return err
	}
	sealed := stagedIn(t, m, "k", "1")
	_, afterSeal := m.Write(ctx, &sealed.Object, 2, 1, chain.Bytes{[]byte("2")})
	_, zero := m.Write(ctx, &sealed.Object, 0, 0, nil)
	_, _, noPage := m.List(ctx, "", "", 0)
	for _, tc := range []struct {
		says string
		err  error
	}{
		{"the key has 0 bytes", m.Put(ctx, "", nil)},
		{"the key has 1025 bytes", m.Put(ctx, strings.Repeat("k", 1025), nil)},
		{"zero byte", m.Put(ctx, "a\x00b", nil)},
		{"the key has 0 bytes", begin(chain.Object{Tail: "t", Dir: "d/"})},
		{"without tail or folder", begin(chain.Object{Key: "k", Dir: "d/"})},
		{"without tail or folder", begin(chain.Object{Key: "k", Tail: "t"})},
		{"part 2 of a sealed upload", afterSeal},
		{"parts have the numbers 1 to 10000", zero},
		{"a page of 0 keys", noPage},
		{"without parts", completed(func(d *draft) { d.Parts = nil })},
		{"part 1 is named after part 2", completed(func(d *draft) { slices.Reverse(d.Parts) })},
		{"part 2 isn't what was written", completed(func(d *draft) { d.Parts[1].ETag = "other" })},
		{"part 3 isn't what was written", completed(func(d *draft) { d.Parts[1].N = 3 })},
		{"the size is said to be 9, and is 6", completed(func(d *draft) { d.Size = 9 })},
		{"part 1 has 4 bytes, and needs 5 (EntityTooSmall)", m.Complete(ctx, &stagedIn(t, m, "k", "1234", "5").Object, false)},
	} {
		if tc.err == nil || connector.ClassOf(tc.err) != connector.Fatal || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("got %v of class %v, want a fatal error with %q", tc.err, connector.ClassOf(tc.err), tc.says)
		}
	}

	open := chain.Object{Key: "k", Tail: "t", Dir: "d/"}
	open.Upload, _ = m.Begin(ctx, &open)
	part, err := m.Write(ctx, &open, 1, 3, chain.Bytes{[]byte("123")})
	open.Parts, open.Size = []chain.Part{part}, 3
	unsealed := m.Complete(ctx, &open, false)
	if err := errors.Join(err, m.Seal(ctx, &open)); err != nil {
		t.Fatal(err)
	}
	misplaced := m.Complete(ctx, &open, false)
	for says, err := range map[string]error{"upload " + open.Upload + " isn't sealed": unsealed, "part 1 was said to begin at 3": misplaced} {
		if err == nil || connector.ClassOf(err) != connector.Fatal || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v of class %v, want a fatal error with %q", err, connector.ClassOf(err), says)
		}
	}
	if len(m.Objects()) != 0 {
		t.Errorf("there are %v, want nothing", slices.Collect(maps.Keys(m.Objects())))
	}
}

// An upload's id counts only together with its key, as in Amazon S3.
func TestUploadOfAnotherKey(t *testing.T) {
	m := NewMemory(Options{})
	d := stagedIn(t, m, "k", "1")
	other := d.Object
	other.Key = "other"
	_, write := m.Write(t.Context(), &other, 1, 0, nil)
	for call, err := range map[string]error{"Write": write, "Seal": m.Seal(t.Context(), &other), "Complete": m.Complete(t.Context(), &other, false)} {
		if !errors.Is(err, chain.ErrMissing) {
			t.Errorf("%s answers %v, want ErrMissing", call, err)
		}
	}
	if err := m.Abort(t.Context(), &other); err != nil || len(m.Open()) != 1 {
		t.Errorf("Abort answers %v and leaves %d uploads, want 1", err, len(m.Open()))
	}
}

func TestSealOfADroppedUploadIsLost(t *testing.T) {
	m := NewMemory(Options{})
	d := stagedIn(t, m, "k", "1")
	if !m.DropUpload(d.Upload) || m.DropUpload(d.Upload) {
		t.Error("DropUpload doesn't say whether the upload was there")
	}
	if err := m.Seal(t.Context(), &d.Object); connector.ClassOf(err) != connector.Lost {
		t.Errorf("Seal answers %v of class %v, want lost", err, connector.ClassOf(err))
	}
	if err := m.Complete(t.Context(), &d.Object, false); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("Complete answers %v, want ErrMissing", err)
	}
}

// Complete can be repeated only as long as the object is there, and is this upload's.
func TestCompleteAgainAfterTheObjectWent(t *testing.T) {
	m := NewMemory(Options{})
	d, rival := stagedIn(t, m, "k", "1"), stagedIn(t, m, "k", "22")
	again := func() error { return m.Complete(t.Context(), &d.Object, false) }
	if err := errors.Join(again(), again()); err != nil {
		t.Fatal(err)
	}
	if err := m.Complete(t.Context(), &rival.Object, false); err != nil { // takes the place, as in Amazon S3
		t.Fatal(err)
	}
	if err := again(); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("Complete answers %v when another upload's object is there, want ErrMissing", err)
	}
	if !m.Delete("k") || m.Delete("k") {
		t.Error("Delete doesn't say whether the object was there")
	}
	if err := again(); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("Complete answers %v when the object was deleted, want ErrMissing", err)
	}
}

func TestForgottenUploadIsMissing(t *testing.T) {
	m := NewMemory(Options{Forget: true})
	d := stagedIn(t, m, "k", "1")
	complete(t, m, d, true)
	for _, fresh := range []bool{false, true} {
		if err := m.Complete(t.Context(), &d.Object, fresh); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("Complete again, fresh %t, answers %v, want ErrMissing", fresh, err)
		}
	}
}

// An object that was written again under the same key, with the same bytes, is as good as ours.
func TestLookComparesBytesToo(t *testing.T) {
	m := NewMemory(Options{})
	d := stagedIn(t, m, "k", "123")
	if err := m.Put(t.Context(), "k", []byte("123")); err != nil {
		t.Fatal(err)
	}
	d.Tail = "another"
	if got, err := m.Look(t.Context(), &d.Object); got != chain.Ours || err != nil {
		t.Errorf("Look answers %s, %v; want ours", sight(got), err)
	}
	d.CRC, d.Tail = "00000000", "" // what was put has no tail
	if got, err := m.Look(t.Context(), &d.Object); got != chain.Foreign || err != nil {
		t.Errorf("Look answers %s, %v; want foreign", sight(got), err)
	}
}

func TestTestAccess(t *testing.T) {
	m := NewMemory(Options{})
	view := m.View(nil)
	for range 11 {
		stagedIn(t, m, "k", "1")
	}
	if err := view.Put(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := view.Get(t.Context(), "b"); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("Get answers %v, want ErrMissing", err)
	}
	if got, want := view.Calls(), map[string]int{"Put": 1, "Get": 1}; !maps.Equal(got, want) {
		t.Errorf("the view counts %v, want %v", got, want)
	}
	if got, want := m.Calls(), map[string]int{"Begin": 11, "Write": 11, "Seal": 11}; !maps.Equal(got, want) {
		t.Errorf("the memory counts %v, want %v", got, want)
	}
	open := view.Open()
	if len(open) != 11 || open[1].Upload != "u2" || open[10].Upload != "u11" || open[10].Seq != 7 || open[10].Dir != dir(0) {
		t.Errorf("open uploads are %+v, want u1 to u11 with number 7", open)
	}
	m.Objects()["a"][0] = 'y'
	if got := m.Objects()["a"]; !bytes.Equal(got, []byte("x")) {
		t.Errorf("Objects hands out the Memory's own bytes: %q", got)
	}
}
