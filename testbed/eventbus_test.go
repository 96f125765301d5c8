//go:build testbed

package testbed

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Events go by rules to queues, each by its pattern.
func TestEventBus(t *testing.T) {
	bus := Moto(t).EventBus(t)
	all, some := bus.Queue(t, `{"source":["cars"]}`), bus.Queue(t, `{"detail":{"value":{"kind":["b"]}}}`)
	for i := range 23 {
		putEvent(t, bus, fmt.Sprintf(`{"value":{"kind":%q,"n":%d}}`, []string{"a", "b"}[i%2], i))
	}
	events := all.Receive(t, 23)
	if len(events) != 23 {
		t.Fatalf("%d events, want 23", len(events))
	}
	if e := events[0]; e.Source != "cars" || e.DetailType != "moved" || e.Time.Unix() != 1_700_000_000 || len(e.Resources) != 1 ||
		string(e.Detail) != `{"value": {"kind": "a", "n": 0}}` {
		t.Errorf("event %+v, detail %s", e, e.Detail)
	}
	if events := some.Receive(t, 11); len(events) != 11 {
		t.Errorf("%d events by the pattern, want 11", len(events))
	}
}

func putEvent(t *testing.T, bus *EventBus, detail string) {
	t.Helper()
	put, err := bus.Client(t).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &bus.Name, Source: aws.String("cars"), DetailType: aws.String("moved"), Detail: &detail,
		Time: aws.Time(time.Unix(1_700_000_000, 0)), Resources: []string{"arn:aws:iot:us-east-1:111122223333:thing/car"},
	}}})
	if err != nil || put.FailedEntryCount != 0 {
		t.Fatalf("put an event: %v", err)
	}
}

// A bus that isn't there is missed until it is made.
func TestNoEventBus(t *testing.T) {
	bus := Moto(t).NoEventBus(t)
	about := func() error {
		_, err := bus.Client(t).DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: &bus.Name})
		return err
	}
	if missing := new(types.ResourceNotFoundException); !errors.As(about(), &missing) {
		t.Errorf("error %v", about())
	}
	bus.Create(t)
	if err := about(); err != nil {
		t.Error(err)
	}
}
