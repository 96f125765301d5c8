package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/handlers"
)

type gps struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

func TestTyped(t *testing.T) {
	type out struct {
		Where [2]float64 `json:"where"`
		From  string     `json:"from"`
	}
	h := handlers.Typed(func(_ context.Context, in handlers.In[gps]) (out, error) {
		switch {
		case in.Value.Lat == 0:
			return out{}, handlers.ErrDrop
		case in.Value.Lat > 90:
			return out{}, connector.Permanent.Wrap(errors.New("no such place"))
		}
		return out{[2]float64{in.Value.Lng, in.Value.Lat}, fmt.Sprintf("%s/%d/%d %s %d", in.Topic, in.Partition, in.Offset, in.Key, in.Time.UnixMilli())}, nil
	})
	got, failed := through(t, "gps", []connector.Handler{h},
		R{Key: "a", Value: `{"lat":1.5,"lng":2}`, Timestamp: 7},
		R{Key: "b", Value: `{"lat":0,"lng":2}`},
		R{Key: "c", Value: `{"lat":"x"}`},
		R{Key: "d", NullValue: true},
		R{Key: "e", Value: `{"lat":91}`})
	expect(t, "outputs", got, []string{`0.0 "a" {"where":[2,1.5],"from":"gps/0/0 a 7"}`, `3.0 "d" null`})
	expect(t, "failures", failed, []string{
		`2.0 decode the value into a handlers_test.gps: json: cannot unmarshal string`, `4.0 no such place`})
}

// Typed sees what the handlers before it made, and JSON in undecoded bytes.
func TestTypedAfterRule(t *testing.T) {
	shift := open(t, handlers.Map{Fields: []handlers.Field{{Name: "lat", Rule: "value.x + 1"}}})
	var seen []float64
	look := handlers.Each(func(_ context.Context, in handlers.In[gps]) error {
		seen = append(seen, in.Value.Lat)
		return nil
	})
	out, _ := through(t, "t", []connector.Handler{shift, look}, R{Key: "a", Value: `{"x":1}`})
	expect(t, "outputs", out, []string{`0.0 "a" {"lat":2}`})
	b := connectortest.Batch(t, "t", 0, R{Value: `{}`})
	b.At(0).Value = b.Tape().BorrowBytes([]byte(`{"lat":3}`))
	if err := look.Handle(t.Context(), b); err != nil || b.Err(0) != nil {
		t.Error(err, b.Err(0))
	}
	if fmt.Sprint(seen) != "[2 3]" {
		t.Errorf("seen %v", seen)
	}
}

func TestTypedRetryable(t *testing.T) {
	b := connectortest.Batch(t, "t", 0, R{Value: `{}`})
	h := handlers.Each(func(context.Context, handlers.In[gps]) error { return errors.New("service unavailable") })
	if err := h.Handle(t.Context(), b); err != nil || connector.ClassOf(b.Err(0)) != connector.Retryable || b.Err(0) == nil {
		t.Errorf("%v, %v", err, b.Err(0))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Handle(ctx, connectortest.Batch(t, "t", 0, R{Value: `{}`})); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestFunc(t *testing.T) {
	var calls []string
	f := handlers.Func(func(_ context.Context, key, value []byte) error {
		calls = append(calls, fmt.Sprintf("%s %t %s %t", key, key == nil, value, value == nil))
		var p gps
		if value == nil {
			return nil
		}
		if err := json.Unmarshal(value, &p); err != nil {
			return err
		}
		if p.Lat == 0 {
			return errors.New("try again")
		}
		return nil
	})
	rs := []R{
		{Key: "a", Value: `{"lat": 1.50}`},
		{NullKey: true, Value: `{"lat":0}`},
		{Key: "", Value: `"text"`},
		{Key: "c", NullValue: true},
		{Key: "d", Value: `{"lat":2}`},
	}
	for name, call := range map[string]func(context.Context, *connector.Batch) error{"Handle": f.Handle, "Load": f.Load} {
		calls = nil
		b := connectortest.Batch(t, "t", 0, rs...)
		if err := call(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		expect(t, name, calls, []string{`a false {"lat": 1.50} false`, ` true {"lat":0} false`, ` false text false`, `c false  true`, `d false {"lat":2} false`})
		for i, want := range []struct {
			failed bool
			class  connector.Class
		}{{}, {true, connector.Retryable}, {true, connector.Permanent}, {}, {}} {
			if err := b.Err(i); (err != nil) != want.failed || err != nil && connector.ClassOf(err) != want.class {
				t.Errorf("%s: record %d: %v", name, i, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Load(ctx, connectortest.Batch(t, "t", 0, rs...)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestByTopic(t *testing.T) {
	called := ""
	mark := func(name string) connector.HandlerFunc {
		return func(context.Context, *connector.Batch) error { called = name; return nil }
	}
	m := handlers.ByTopic{"cars.gps.json": mark("gps"), "cars.trips.json": mark("trips")}
	if err := m.CheckTopic("cars.gps.json"); err != nil {
		t.Error(err)
	}
	if err := m.Handle(t.Context(), connectortest.Batch(t, "cars.trips.json", 0)); err != nil || called != "trips" {
		t.Errorf("%v, called %q", err, called)
	}
	const want = `failed to find handler func for 'x': the topics that have one are 'cars.gps.json', 'cars.trips.json'`
	if err := m.CheckTopic("x"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := m.Handle(t.Context(), connectortest.Batch(t, "x", 0)); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("%v is not fatal", err)
	}
	if err := (handlers.Funcs{}).CheckTopic("x"); err == nil || err.Error() != `failed to find handler func for 'x': no topic has one` {
		t.Error(err)
	}
	f := handlers.Funcs{"a": func(context.Context, []byte, []byte) error { called = "func"; return nil }}
	var _ interface {
		connector.Handler
		connector.Loader
		connector.TopicChecker
	} = f
	b := connectortest.Batch(t, "a", 0, R{Value: `1`})
	if err := f.Load(t.Context(), b); err != nil || called != "func" {
		t.Errorf("%v, called %q", err, called)
	}
	if err := f.Handle(t.Context(), connectortest.Batch(t, "b", 0)); err == nil || !strings.Contains(err.Error(), "handler func for 'b'") {
		t.Error(err)
	}
}
