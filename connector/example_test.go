package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

// runExample runs a connector over a few records until they are committed.
func runExample(l connector.Loader, values []string, opts ...connector.Option) {
	p := connector.Partition{Topic: "words", ID: 0}
	log := connectortest.NewLog()
	for _, v := range values {
		log.Append(p, connectortest.R{Value: v})
	}
	consumer := connectortest.NewConsumer(log)
	opts = append(opts, connector.WithDecoder(serde.StringDecoder{}), connector.WithLogger(slog.New(slog.DiscardHandler)),
		connector.WithCommitInterval(time.Millisecond), connector.WithRetry(time.Millisecond, time.Millisecond))
	c, err := connector.New(consumer, l, opts...)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for !consumer.Notified() {
		time.Sleep(time.Millisecond)
	}
	consumer.Assign(p)
	for log.Committed(p).At < int64(len(values)) {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
}

// A handler changes values, drops records, makes new ones, and marks those that it can't process.
func ExampleHandlerFunc() {
	words := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		for i, r := range b.Records() {
			line, _ := r.Value.Text()
			if len(line) == 0 {
				b.Filter(i)
				continue
			}
			if strings.Contains(string(line), "?") {
				b.Fail(i, connector.Permanent.Errorf("a question"))
				continue
			}
			for word := range strings.FieldsSeq(string(line)) {
				b.Emit(i, connector.Record{Key: r.Key, Value: b.Tape().String(strings.ToUpper(word))})
			}
			b.Filter(i) // the words stand for the line
		}
		return nil
	})
	dead := &connectortest.DeadLetter{}
	runExample(printer{}, []string{"a mill race", "", "why?"}, connector.WithHandlers(words), connector.WithDeadLetter(dead))
	for _, f := range dead.Buried() {
		fmt.Printf("buried offset %d: %v\n", f.Record.Offset, f.Err)
	}
	// Output:
	// A
	// MILL
	// RACE
	// buried offset 2: a question
}

type printer struct{}

func (printer) Load(_ context.Context, b *connector.Batch) error {
	for _, r := range b.Records() {
		text, _ := r.Value.Text()
		fmt.Printf("%s\n", text)
	}
	return nil
}

// A loader marks the records that aren't durable. Only they are loaded again.
func ExampleLoaderFunc() {
	busy := true
	runExample(connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
		for i, r := range b.Records() {
			text, _ := r.Value.Text()
			if busy && string(text) == "two" {
				busy = false
				b.Fail(i, errors.New("busy"))
				continue
			}
			fmt.Printf("stored %s\n", text)
		}
		return nil
	}), []string{"one", "two", "three"})
	// Output:
	// stored one
	// stored three
	// stored two
}

// A class says what becomes of an error, and a wait when it is tried again.
func ExampleClass() {
	err := connector.Systemic.Errorf("put item into table %s: access denied", "trips")
	fmt.Println(connector.ClassOf(err), "-", err)
	err = connector.WithWait(3*time.Second, errors.New("slow down"))
	fmt.Println(connector.ClassOf(err), connector.LeastWait(err))
	// Output:
	// systemic - put item into table trips: access denied
	// retryable 3s
}

// Connectors of one process share a budget: what one doesn't need, another may take.
func ExampleNewBudget() {
	budget := connector.NewBudget(128 << 20)
	for _, name := range []string{"cars", "trips"} {
		c, err := connector.New(connectortest.NewConsumer(connectortest.NewLog()), printer{},
			connector.WithName(name), connector.WithBudget(budget))
		fmt.Println(c.Status().Name, err)
	}
	// Output:
	// cars <nil>
	// trips <nil>
}
