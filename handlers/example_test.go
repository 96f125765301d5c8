package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	serdejson "github.com/millrace/millrace/serde/json"
)

// run prints what becomes of records that pass through handlers.
func run(topic string, hs []connector.Handler, rs ...connectortest.R) {
	value, err := serdejson.New(serdejson.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := connector.PreviewBatch(context.Background(), connectortest.Raw(topic, 0, rs...), serde.StringDecoder{}, value, 1<<20, hs...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range p.Outputs.Len() {
		out, _ := p.Outputs.At(i).Value.AppendJSON(nil)
		fmt.Println(string(out))
	}
	for _, f := range p.Failures {
		fmt.Println("dead letter:", f.Err)
	}
}

// Rules are structs in Go, too: the same that configuration files fill.
func Example_rules() {
	ctx := context.Background()
	filter, err := handlers.Filter{Rule: "value.lat != 0 && value.lng != 0"}.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	reshape, err := handlers.Map{Fields: []handlers.Field{
		{Name: "car", Rule: "key"},
		{Name: "where", Rule: "[value.lng, value.lat]"},
		{Name: "kmh", Rule: "round(value.speed_ms * 3.6, 1)"},
	}}.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	run("cars.gps.json", []connector.Handler{filter, reshape},
		connectortest.R{Key: "car-1", Value: `{"lat":37.5,"lng":127.0,"speed_ms":12.34}`},
		connectortest.R{Key: "car-2", Value: `{"lat":0,"lng":0,"speed_ms":0}`},
		connectortest.R{Key: "car-3", Value: `{"lng":127.0}`})
	// Output:
	// {"car":"car-1","where":[127.0,37.5],"kmh":44.4}
	// dead letter: filter: rule "value.lat != 0 && value.lng != 0": field value.lat is missing (use value.lat ?? x or value?.lat)
}

// A function over structs checks and changes values. What it returns goes on.
func ExampleTyped() {
	type position struct {
		Lng, Lat float64
	}
	type place struct {
		Hemisphere string
	}
	h := handlers.Typed(func(_ context.Context, in handlers.In[position]) (place, error) {
		switch {
		case in.Value.Lat > 90:
			return place{}, connector.Permanent.Errorf("car %s: latitude %g is past the pole", in.Key, in.Value.Lat)
		case in.Value.Lat == 0:
			return place{}, handlers.ErrDrop
		case in.Value.Lat > 0:
			return place{"north"}, nil
		}
		return place{"south"}, nil
	})
	run("cars.gps.json", []connector.Handler{h},
		connectortest.R{Key: "car-1", Value: `{"lng":127,"lat":37.5}`},
		connectortest.R{Key: "car-2", Value: `{"lng":127,"lat":0}`},
		connectortest.R{Key: "car-3", Value: `{"lng":127,"lat":137.5}`})
	// Output:
	// {"Hemisphere":"north"}
	// dead letter: car car-3: latitude 137.5 is past the pole
}

// A function that only looks at records.
func ExampleEach() {
	type position struct{ Lat float64 }
	h := handlers.Each(func(_ context.Context, in handlers.In[position]) error {
		fmt.Printf("%s is at %g\n", in.Key, in.Value.Lat)
		return nil
	})
	run("cars.gps.json", []connector.Handler{h}, connectortest.R{Key: "car-1", Value: `{"Lat":37.5}`})
	// Output:
	// car-1 is at 37.5
	// {"Lat":37.5}
}

// Each topic has a handler; a topic without one stops the connector at its start.
func ExampleByTopic() {
	visible, err := handlers.Filter{Rule: "value.lat != 0"}.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	m := handlers.ByTopic{
		"cars.gps.json": visible,
		"cars.log.json": connector.HandlerFunc(func(context.Context, *connector.Batch) error { return nil }),
	}
	fmt.Println(m.CheckTopic("cars.trips.json"))
	// Output:
	// failed to find handler func for 'cars.trips.json': the topics that have one are 'cars.gps.json', 'cars.log.json'
}

// A map from topic to a function of key and value that writes to a store of its own: it
// is a Loader, for connector.New.
func ExampleFuncs() {
	store := map[string][2]float64{}
	gpsToStore := func(_ context.Context, key, value []byte) error {
		var p struct{ Lng, Lat *float64 }
		if err := json.Unmarshal(value, &p); err != nil {
			return err // permanent by itself
		}
		if p.Lng == nil || p.Lat == nil {
			return connector.Permanent.Wrap(errors.New("lng or lat is missing"))
		}
		store[string(key)] = [2]float64{*p.Lng, *p.Lat}
		return nil
	}
	var loader connector.Loader = handlers.Funcs{"cars.gps.json": gpsToStore}
	b := connectortest.Raw("cars.gps.json", 0,
		connectortest.R{Key: "car-1", Value: `{"lng":127,"lat":37.5}`},
		connectortest.R{Key: "car-2", Value: `{"lng":127}`})
	b.Decode(context.Background(), serde.StringDecoder{}, serde.BytesDecoder{})
	fmt.Println(loader.Load(context.Background(), b), store)
	fmt.Println(b.Err(1))
	// Output:
	// <nil> map[car-1:[127 37.5]]
	// lng or lat is missing
}

// A function of key and value is a handler as well.
func ExampleFunc() {
	h := handlers.Func(func(_ context.Context, key, value []byte) error {
		fmt.Printf("%s: %s\n", key, value)
		return nil
	})
	run("t", []connector.Handler{h}, connectortest.R{Key: "k", Value: `{"a":1}`})
	// Output:
	// k: {"a":1}
	// {"a":1}
}

// What no rule of the event bus takes needn't be sent. The pattern is the rule's own.
func ExampleEventPattern() {
	c := handlers.DefaultEventPattern()
	c.Pattern = `{
	  "detail-type": [{"prefix": "kafka-connect-notification"}],
	  "detail": {"value": {"eventType": ["suspiciousActivity"], "amount": [{"numeric": [">", 100]}]}}
	}`
	h, err := c.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	run("notifications", []connector.Handler{h},
		connectortest.R{Key: "a", Value: `{"eventType":"suspiciousActivity","amount":250}`},
		connectortest.R{Key: "b", Value: `{"eventType":"suspiciousActivity","amount":99.5}`},
		connectortest.R{Key: "c", Value: `{"eventType":"login"}`})
	// Output:
	// {"eventType":"suspiciousActivity","amount":250}
}
