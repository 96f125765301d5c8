package config

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

func TestBreaker(t *testing.T) {
	for text, want := range map[string]connector.Breaker{
		"":                          connector.DefaultBreaker(),
		"breaker:":                  connector.DefaultBreaker(),
		"breaker: none":             {},
		`breaker: "none"`:           {},
		"breaker: {share: 0.05}":    {Share: 0.05, Least: 10, Records: 100, Window: time.Minute},
		"breaker: {share: 0}":       {Least: 10, Records: 100, Window: time.Minute},
		"breaker: {share: 100%}":    {Share: 1, Least: 10, Records: 100, Window: time.Minute},
		`breaker: {share: "0.5 %"}`: {Share: 0.005, Least: 10, Records: 100, Window: time.Minute},
		"breaker: {records: 0, least: 0, window: 1h}": {Share: 0.01, Window: time.Hour},
	} {
		f, err := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: x}}\nsink: devnull\n"+text+"\n"), testEnv)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, f.Connectors[0].Breaker.breaker()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"breaker: off":                    `4:10: breaker is a map of settings or none, not "off"; it takes share, least, records, window`,
		"breaker: 1%":                     "breaker is a map of settings or none",
		"breaker: [none]":                 "breaker is a map of settings",
		"breaker: {share: 1}":             `share: "1" is not a share such as 1% or 0.01`,
		"breaker: {share: 101%}":          "not a share",
		"breaker: {share: -1%}":           "not a share",
		"breaker: {share: NaN}":           "not a share",
		"breaker: {share: most}":          "not a share",
		"breaker: {window: 0s}":           "window is above 0",
		"breaker: {records: -1}":          "aren't below 0",
		"breaker: {share: 0, records: 0}": "write breaker: none",
		"breaker: {record: 5}":            `did you mean "records"?`,
		"breaker: {none: }":               `breaker has no setting "none"`,
	} {
		_, err := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: x}}\nsink: devnull\n"+text+"\n"), testEnv)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What a file says of the breaker reaches the connector, and isn't part of the plan.
func TestBreakerIsHandedOver(t *testing.T) {
	p := connector.Partition{Topic: "x"}
	log := connectortest.NewLog()
	log.Append(p, connectortest.R{Value: "no JSON"}, connectortest.R{Value: "nor this"})
	consumer, dead := connectortest.NewConsumer(log), &connectortest.DeadLetter{}
	parse := func(breaker string) *Connector {
		f, err := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: x}}\nsink: devnull\ndecode: {value: json}\n"+breaker), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return f.Connectors[0]
	}
	c := parse("breaker: {records: 1}\n")
	if c.plan("b") != parse("breaker: none\n").plan("b") {
		t.Error("the breaker changes the plan, although no row depends on it")
	}
	refuse := func(Choice) (connector.Loader, error) {
		return connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error { return connector.Permanent.Errorf("no") }), nil
	}
	conn, closer, err := c.OpenBetween(t.Context(), Ends{Consumer: consumer, Loader: refuse, DeadLetter: dead}, connector.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- conn.Run(ctx) }()
	for !consumer.Notified() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	consumer.Assign(p)
	for ctx.Err() == nil {
		if ps := conn.Status().Partitions; len(ps) > 0 && ps[0].State == connector.StateHalted {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if ps := conn.Status().Partitions; len(ps) != 1 || !strings.Contains(ps[0].Error, "2 of 2 records failed") || !strings.Contains(ps[0].Error, "at most 1 % (10 always) and 1 in 1m") {
		t.Errorf("%+v", ps)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPercentText(t *testing.T) {
	for p, want := range map[Percent]string{0: "0%", 0.01: "1%", 0.07: "7%", 0.005: "0.5%", 1: "100%"} {
		if got := p.String(); got != want {
			t.Errorf("%g is %s, want %s", float64(p), got, want)
		}
		var back Percent
		if err := back.UnmarshalText([]byte(p.String())); err != nil || back != p {
			t.Errorf("%s becomes %g: %v", p, float64(back), err)
		}
	}
}
