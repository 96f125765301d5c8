package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/envelope"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/resend"
)

// send sends what is in the spool through the pipeline.
func (r *dlqReplayRun) send(ctx context.Context) error {
	origin, err := r.origin(ctx)
	if err != nil {
		return err
	}
	for _, run := range r.spool.Runs() {
		if err := r.sendRun(ctx, run, origin); err != nil {
			return err
		}
	}
	return nil
}

// origin is where the records came from. A chain needs the id of the cluster, which it is told by the connector's own or by Kafka.
func (r *dlqReplayRun) origin(ctx context.Context) (o resend.Origin, err error) {
	if r.cluster != nil {
		o.Group = r.cluster.config.Group
	}
	if r.branch == nil || r.options.dryRun {
		return o, nil
	}
	if o.ClusterID = r.branch.cluster; o.ClusterID != "" {
		return o, nil
	}
	if r.cluster == nil {
		return o, errors.New("the sink has no chain yet that tells the id of the cluster")
	}
	o.ClusterID, err = r.cluster.clusterID(ctx)
	return o, err
}

// openRun opens the connector between a Consumer and a Guard.
func (r *dlqReplayRun) openRun(ctx context.Context, consumer *resend.Consumer) (*connector.Connector, io.Closer, *resend.Guard, error) {
	if r.options.dryRun {
		guard := resend.NewGuard(r.spool, nil)
		conn, opened, err := r.conn.OpenBetween(ctx, config.Ends{Consumer: consumer, Loader: checker, DeadLetter: guard},
			connector.WithLogger(slog.New(slog.DiscardHandler)), connector.WithBreaker(connector.Breaker{}))
		return conn, opened, guard, err
	}
	var guard *resend.Guard
	wrap := func(to connector.DeadLetter) connector.DeadLetter {
		guard = resend.NewGuard(r.spool, to)
		return guard
	}
	// All that was handed over is drained, however long the sink takes; a signal ends it.
	const drain = 24 * time.Hour
	conn, opened, err := r.conn.OpenFrom(ctx, consumer, wrap,
		connector.WithLogger(slog.New(slog.NewTextHandler(r.c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))),
		connector.WithBreaker(connector.Breaker{}), connector.WithDrainTimeout(drain))
	return conn, opened, guard, err
}

// checker is a Loader that writes nothing, and refuses what the sink would refuse as far as it can tell without writing.
func checker(sink config.Choice) (connector.Loader, error) {
	if d, ok := sink.Config.(dryRunner); ok {
		return d.DryRun()
	}
	return connector.LoaderFunc(func(context.Context, *connector.Batch) error { return nil }), nil
}

// sendRun sends one set of partitions, and adds what came of it to the report.
func (r *dlqReplayRun) sendRun(ctx context.Context, run []*resend.Part, origin resend.Origin) error {
	consumer := resend.NewConsumer(r.spool, run, origin)
	conn, opened, guard, err := r.openRun(ctx, consumer)
	if err != nil {
		return err
	}
	err = errors.Join(r.drive(ctx, conn, consumer), opened.Close())
	p := consumer.Progress()
	failed, why := guard.Failed()
	r.report.Before += p.Before
	r.report.Passed += p.Durable - failed
	r.report.Failed += failed
	r.report.Open += p.Open
	r.report.Why = append(r.report.Why, why...)
	return err
}

// drive runs the connector until all letters are durable, in the sink or in the dead letter.
func (r *dlqReplayRun) drive(ctx context.Context, conn *connector.Connector, consumer *resend.Consumer) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- conn.Run(running) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	if r.c.color {
		defer fmt.Fprint(r.c.err, "\r\x1b[K")
	}
	halted := map[connector.Partition]error{}
	why := func(err error) error { return errors.Join(append(slices.Collect(maps.Values(halted)), err)...) }
	interrupted, done := ctx.Done(), consumer.Done()
	var patience <-chan time.Time
	for {
		select {
		case err := <-ended:
			return why(err)
		case <-done:
			stop()
			done = nil
		case <-interrupted:
			interrupted = nil
			patience = time.After(time.Duration(r.conn.DrainTimeout))
		case <-patience:
			return why(errors.New("stopped before all was durable: repeat the command"))
		case <-tick.C:
			giveUp(conn, consumer, halted)
			r.progress(consumer)
		}
	}
}

// giveUp lets the consumer end the partitions that stopped, and notes why they did.
func giveUp(conn *connector.Connector, consumer *resend.Consumer, halted map[connector.Partition]error) {
	for _, p := range conn.Status().Partitions {
		if p.State == connector.StateHalted && halted[p.Partition] == nil {
			halted[p.Partition] = fmt.Errorf("partition %s: %s", p.Partition, p.Error)
			consumer.GiveUp(p.Partition)
		}
	}
}

// progress shows how far it is, on a terminal.
func (r *dlqReplayRun) progress(consumer *resend.Consumer) {
	if r.c.color {
		fmt.Fprintf(r.c.err, "\r%d of %s", consumer.Progress().Sent, count(int(r.sel.Records), "record"))
	}
}

// headerSource says where a record that was written back to a topic came from: TOPIC/PARTITION/OFFSET.
const headerSource = "millrace.source"

// produce writes the records to a topic.
func (r *dlqReplayRun) produce(ctx context.Context) error {
	k, ok := r.conn.Source.Config.(*kafka.Config)
	if !ok {
		return errors.New("--to-topic needs a connector whose source is Kafka")
	}
	target, err := findTarget(ctx, r.conn, k, &restoreOptions{to: r.options.toTopic})
	if err != nil {
		return err
	}
	p, err := target.open(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	acks := acks{groups: &letter.Groups{}}
	for _, run := range r.spool.Runs() {
		for _, part := range run {
			if err = r.producePart(ctx, p, part, &acks); err != nil {
				break
			}
		}
	}
	err = errors.Join(err, p.Flush(ctx))
	acks.mu.Lock()
	defer acks.mu.Unlock()
	r.report.Passed, r.report.Failed, r.report.Why = acks.passed, acks.failed, acks.groups.Sorted()
	r.report.Open = r.report.Records - acks.passed - acks.failed
	return err
}

// acks are the brokers' answers.
type acks struct {
	mu             sync.Mutex
	passed, failed int64
	groups         *letter.Groups
}

func (r *dlqReplayRun) producePart(ctx context.Context, p *producer, part *resend.Part, a *acks) error {
	return r.spool.Each(part, func(rec *connector.Record, replays int) error {
		where := part.Topic + "/" + strconv.Itoa(int(part.ID)) + "/" + strconv.FormatInt(rec.Offset, 10)
		headers := slices.DeleteFunc(rec.Headers, func(h connector.Header) bool { return strings.EqualFold(h.Name, headerSource) })
		headers = append(headers,
			connector.Header{Name: letter.HeaderReplays, Value: strconv.AppendInt(nil, int64(replays)+1, 10)},
			connector.Header{Name: headerSource, Value: []byte(where)})
		out := &envelope.Record{Key: rec.RawKey, Value: rec.RawValue, Timestamp: rec.Timestamp, Headers: headers}
		p.Produce(ctx, part.ID, out, func(err error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if err == nil {
				a.passed++
				return
			}
			a.failed++
			a.groups.Add(&letter.Letter{Topic: part.Topic, Partition: part.ID, Offset: rec.Offset, Timestamp: rec.Timestamp, Stage: "PRODUCE", Error: err.Error()})
		})
		return ctx.Err()
	})
}
