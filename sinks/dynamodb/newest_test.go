package dynamodb

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
)

// refuseKey refuses the calls that concern a key.
func refuseKey(d *double, key, code string) {
	d.set(func(d *double) {
		d.refuse = func(c call) (int, string) {
			if got, _ := keyOf(c.body["Item"], c.body["Key"]); got == key {
				return http.StatusBadRequest, fault(code, "no")
			}
			return 0, ""
		}
	})
}

// TestHotKey: a key that is throttled slows its own records only.
func TestHotKey(t *testing.T) {
	for name, change := range map[string]func(*Config){"items": newest, "update": updating, "sum": summing} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := open(t, config(d.URL, change))
			refuseKey(d, "hot", "ThrottlingException")
			recs := []rec{
				{key: "a", value: `{"n":1}`}, {key: "hot", value: `{"n":1}`, offset: 1}, {key: "b", value: `{"n":1}`, offset: 2},
				{key: "hot", value: `{"n":2}`, offset: 3}, {key: "a", value: `{"n":2}`, offset: 4},
			}
			errs, err := try(t, s, origin{}, recs...)
			for i, r := range recs {
				if err != nil || (errs[i] != nil) != (r.key == "hot") || connector.ClassOf(errs[i]) != connector.Retryable {
					t.Errorf("record %d: %v, %v", i, errs[i], err)
				}
			}
			hot := 0
			for _, c := range d.sent() {
				if key, _ := keyOf(c.body["Item"], c.body["Key"]); key == "hot" {
					hot++
				}
			}
			if hot != 1 {
				t.Errorf("%d requests for the throttled key; want 1, behind which the others wait", hot)
			}
			// A batch of the hot key alone is no reason to let the others wait.
			if errs, err := try(t, s, origin{}, recs[1]); err != nil || errs[0] == nil {
				t.Errorf("got %v, %v", errs, err)
			}
			d.set(func(d *double) { d.refuse = nil })
			load(t, s, origin{}, recs[1], recs[3])
			want := map[string]string{"items": "2", "update": "2", "sum": "3"}[name]
			for _, key := range []string{"hot", "a"} {
				if item := d.plain(DefaultConfig().Guard)[key]; item["n"]+item["sum"] != want {
					t.Errorf("%s is %v, want %s", key, item, want)
				}
			}
		})
	}
}

// TestReplacedRecordIsFailed: a record that a later one of its batch made needless isn't written before that one is.
func TestReplacedRecordIsFailed(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL, newest))
	refuseKey(d, "a", codeValidation)
	errs, err := try(t, s, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "b", value: `{"n":1}`}, rec{key: "a", value: `{"n":2}`, offset: 2})
	if err != nil || errs[0] == nil || connector.ClassOf(errs[0]) != connector.Retryable || errs[1] != nil || connector.ClassOf(errs[2]) != connector.Permanent {
		t.Errorf("got %v, %v", errs, err)
	}
}

// TestWholeErrors: an error that is nobody's own is one of the Load, if nothing was written.
func TestWholeErrors(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL, newest))
	for code, class := range map[string]connector.Class{
		"AccessDeniedException": connector.Systemic, codeNoTable: connector.Systemic, "InternalServerError": connector.Retryable,
	} {
		d.set(func(d *double) {
			d.refuse = func(call) (int, string) { return http.StatusBadRequest, fault(code, "no") }
		})
		if _, err := try(t, s, origin{}, rec{key: "a", value: `{}`}, rec{key: "b", value: `{}`}); err == nil || connector.ClassOf(err) != class {
			t.Errorf("%s: got %v", code, err)
		}
		refuseKey(d, "a", code)
		errs, err := try(t, s, origin{}, rec{key: "a", value: `{}`}, rec{key: "b", value: `{}`, offset: 1})
		if err != nil || connector.ClassOf(errs[0]) != class || errs[0] == nil || errs[1] != nil {
			t.Errorf("%s of one: got %v, %v", code, errs, err)
		}
	}
}

// TestInFlight: all Loads together have at most in_flight requests under way, and one has several.
func TestInFlight(t *testing.T) {
	const inFlight = 4
	d := newDouble(t)
	s := open(t, config(d.URL, newest, func(c *Config) { c.InFlight = inFlight }))
	stalled := make(chan struct{})
	d.set(func(d *double) { d.stalled = stalled })
	var loads sync.WaitGroup
	for p := range int32(3) {
		var recs []rec
		for i := range 10 {
			recs = append(recs, rec{key: fmt.Sprint(p, "/", i%8), value: `{"n":1}`, offset: int64(i)})
		}
		loads.Go(func() { load(t, s, origin{partition: p}, recs...) })
	}
	d.set(func(d *double) {
		for d.now < inFlight {
			d.changed.Wait()
		}
	})
	close(stalled)
	loads.Wait()
	if d.top != inFlight || len(d.sent()) != 24 || len(s.slots) != 0 {
		t.Errorf("%d requests at a time of %d, want %d; %d slots taken", d.top, len(d.sent()), inFlight, len(s.slots))
	}
}

// TestRefusedInChain: what comes before in a chain and is refused for ever doesn't keep the rest.
func TestRefusedInChain(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL, summing))
	n := 0
	d.refuse = func(call) (int, string) {
		if n++; n == 2 {
			return http.StatusBadRequest, fault(codeValidation, "Number overflow. Attempting to store a number with magnitude larger than supported range")
		}
		return 0, ""
	}
	errs, err := try(t, s, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "a", value: `{"n":2}`, offset: 1}, rec{key: "a", value: `{"n":4}`, offset: 2})
	if err != nil || errs[0] != nil || connector.ClassOf(errs[1]) != connector.Permanent || errs[2] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
	if got := d.plain(DefaultConfig().Guard)["a"]["sum"]; got != "5" {
		t.Errorf("the sum is %s, want 5", got)
	}
}

// TestLostReplyOfSum: a request whose answer was lost is sent again, and counts once.
func TestLostReplyOfSum(t *testing.T) {
	for _, beside := range []func(*Config){func(*Config) {}, func(c *Config) { c.Update.Set = []Attribute{{"last", "value.n"}} }} {
		d := newDouble(t)
		s := open(t, config(d.URL, summing, beside))
		d.set(func(d *double) { d.lose = true })
		recs := []rec{{key: "a", value: `{"n":1}`}, {key: "a", value: `{"n":2}`, offset: 1}}
		errs, err := try(t, s, origin{}, recs...)
		if errors.Join(append(errs, err)...) == nil {
			t.Error("a request whose answer was lost counts as written")
		}
		load(t, s, origin{}, recs...)
		if got := d.plain(DefaultConfig().Guard)["a"]["sum"]; got != "3" {
			t.Errorf("the sum is %s, want 3", got)
		}
	}
}

// TestRequests: the requests as they are sent, and one for what DynamoDB has already.
func TestRequests(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL, summing, func(c *Config) { c.Update.Set = []Attribute{{"last", "value.n"}} }))
	load(t, s, origin{}, rec{key: "a", value: `{"n":1}`})
	if n := len(d.sent()); n != 1 {
		t.Fatalf("%d requests for a new record, want 1", n)
	}
	load(t, s, origin{}, rec{key: "a", value: `{"n":1}`})
	if n := len(d.sent()); n != 2 {
		t.Errorf("%d requests for a record that is there, want 1: the answer says that it was counted", n-1)
	}
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":1}`, timestamp: -1})
	if n := len(d.sent()); n != 4 {
		t.Errorf("%d requests for a record that only counts, want 2", n-2)
	}
	if last := fmt.Sprint(d.sent()[3].body["UpdateExpression"]); last != "SET #q = :p ADD #d0 :d0" || strings.Contains(last, "#g") {
		t.Errorf("the last request is %s", last)
	}
}
