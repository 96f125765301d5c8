package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/internal/cgroup"
)

// defaultBudget is for a process that no container limits.
const defaultBudget = 128 << 20

// runOptions are the flags of run.
type runOptions struct {
	budget   connector.Bytes // 0 to let it follow the container
	log      string
	level    slog.Level
	contents bool // log what buried records hold
	status   connector.Duration
	http     string // address, "" for none
	pprof    string // address, "" for none
	traces   string // URL, "" for none
	until    string // untilEnd, "" to run until somebody stops it
	rate     byteRate
	offsets  string // path, "" for none

	control      string // address, "" for none
	controlToken string // path, "" for the environment
}

func (c *command) runCommand() *cobra.Command {
	o := runOptions{budget: defaultBudget, log: "text", status: connector.Duration(10 * time.Second)}
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run the connectors of configuration files",
		Long: `Run all connectors of configuration files in this process. One that fails leaves the others
running. The first SIGINT or SIGTERM lets them finish what they have begun, commit and
leave their groups; the second stops the process at once. Logs go to the standard error. An
error that comes again is logged five times a minute, and then how often it came.

With --http, /healthz says that the process is alive, /readyz that every connector was opened, /status
what all are doing, and /metrics the same to Prometheus. Nothing listens without it. With
--control, the commands status, pause, resume and skip speak to this process.

With --until end, each connector reads up to the ends that its partitions had when they were
assigned, commits that, and ends. The process ends with the last one: with exit code 0 if all got
there, with 1 if a partition stopped before its end. It is for jobs that run now and then.

Without --budget and GOMEMLIMIT, the budget follows the container's memory limit: half of
it, but 128 MiB less at least. GOMEMLIMIT, unless it is set, becomes the budget and 76 MiB, and at
most 85 % of the container's limit. GOGC, unless it is set, becomes 200.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if cmd.Flags().Changed("budget") && o.budget <= 0 {
				return errors.New("--budget must be above 0")
			}
			if !cmd.Flags().Changed("budget") {
				o.budget = 0
			}
			return c.run(cmd.Context(), paths, o)
		},
	}
	cmd.Flags().TextVar(&o.budget, "budget", o.budget, "memory for records, of all connectors together; in a container that limits memory the default follows the limit")
	cmd.Flags().StringVar(&o.log, "log", o.log, "logs as text or json")
	cmd.Flags().TextVar(&o.level, "log-level", o.level, "least level of logs: debug, info, warn or error")
	cmd.Flags().BoolVar(&o.contents, "log-payloads", o.contents, "log the beginnings of key and value of records that go to the dead letter")
	cmd.Flags().TextVar(&o.status, "status", o.status, "how often each connector's status is logged; 0s is never")
	cmd.Flags().StringVar(&o.http, "http", o.http, "address for health, status and metrics, such as :8080; none by default")
	cmd.Flags().StringVar(&o.pprof, "pprof", o.pprof, "loopback address for Go's profiles, such as localhost:6060; none by default")
	o.controlFlags(cmd)
	o.jobFlags(cmd)
	cmd.Flags().StringVar(&o.traces, "traces", o.traces, "URL of an OpenTelemetry collector (OTLP/HTTP) to send traces to, such as http://localhost:4318; none by default")
	return cmd
}

func (c *command) run(ctx context.Context, paths []string, o runOptions) error {
	log, flush, err := o.logger(c.err)
	if err != nil {
		return err
	}
	defer flush()
	if o.status < 0 {
		return errors.New("--status must not be below 0")
	}
	if o.control == "" && o.controlToken != "" {
		return errors.New("--control-token is for --control, which is missing")
	}
	if err := o.checkJob(); err != nil {
		return err
	}
	files, err := c.plugins.Load(paths...)
	if err != nil {
		return err
	}
	bytes, limit := o.sizes()
	tuneMemory(limit)
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	budget := connector.NewBudget(bytes)
	options := o.jobOptions()
	b := &board{budget: bytes}
	for _, f := range files {
		for _, conn := range f.Connectors {
			b.runners = append(b.runners, &runner{config: conn, log: log, budget: budget, status: time.Duration(o.status), until: o.until, offsets: o.offsets, options: options})
		}
	}
	if err := o.checkSources(b); err != nil {
		return err
	}
	if o.traces != "" {
		t, err := openTraces(ctx, o.traces, log)
		if err != nil {
			return err
		}
		defer t.close()
		for _, r := range b.runners {
			t.follow(r.config)
		}
	}
	stop, err := o.serve(b, log)
	if err != nil {
		return err
	}
	defer stop()
	var running sync.WaitGroup
	for _, r := range b.runners {
		running.Go(func() { r.run(ctx) })
	}
	if err := c.wait(&running, log, func() { b.draining.Store(true); drain() }); err != nil {
		return err
	}
	return b.failed()
}

// sizes are the budget and the limit of Go's memory, in bytes. Who sets GOMEMLIMIT has sized the process: then
// the container's limit says nothing.
func (o runOptions) sizes() (budget, limit int64) {
	container := int64(0)
	if os.Getenv("GOMEMLIMIT") == "" {
		container, _ = cgroup.MemoryLimit()
	}
	return cgroup.Sizes(container, int64(o.budget), defaultBudget)
}

// failed says which connectors failed. All have ended.
func (b *board) failed() error {
	var failed []string
	for _, r := range b.runners {
		if r.err != nil {
			failed = append(failed, r.config.Name)
		}
	}
	if len(failed) > 0 {
		return failure{fmt.Errorf("%d of %s failed: %s", len(failed), count(len(b.runners), "connector"), strings.Join(failed, ", "))}
	}
	return nil
}

// tuneMemory sets the memory limit, and lets garbage grow to twice what is in use below it: most of that is
// fetched bytes, which come and go fast. GOMEMLIMIT and GOGC outrank it.
func tuneMemory(limit int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// wait returns when all have ended, or at the second signal.
func (c *command) wait(running *sync.WaitGroup, log *slog.Logger, drain func()) error {
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	for n := 0; ; n++ {
		select {
		case <-ended:
			return nil
		case s := <-c.signals:
			if n > 0 {
				return failure{errors.New("stopped before all was written and committed; it will be read again")}
			}
			log.Info("finishing what has begun; a second signal stops at once", "signal", s.String())
			drain()
		}
	}
}

// A runner runs one connector.
type runner struct {
	config  *config.Connector
	log     *slog.Logger
	budget  *connector.Budget
	status  time.Duration
	until   string
	offsets string
	options []connector.Option // that all share
	err     error              // why it ended, to be read when it has

	progress atomic.Pointer[progress] // for everybody else; nil before it begins
}

func (r *runner) run(ctx context.Context) {
	log := r.log.With("connector", r.config.Name)
	log.Info("starting")
	conn, closer, err := r.open(ctx, log)
	if conn == nil {
		if r.err = err; err != nil {
			log.Error("failed", "error", err)
		}
		r.progress.Store(&progress{phase: phaseEnded, err: err})
		return
	}
	r.progress.Store(&progress{phase: phaseRunning, conn: conn})
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { report(watching, log, conn, r.status) })
	began := time.Now()
	err = conn.Run(ctx)
	stop()
	watch.Wait()
	if r.until != "" {
		log.Info("ended", movedLine(conn.Status().Totals, time.Since(began))...)
	}
	if r.err = errors.Join(err, closer.Close()); r.err != nil {
		log.Error("failed", "error", r.err)
	}
	r.progress.Store(&progress{phase: phaseEnded, conn: conn, err: r.err})
}

// open opens the connector. What a service that doesn't answer, or doesn't let us in, refuses is tried again,
// because nobody would start this connector while others go on.
func (r *runner) open(ctx context.Context, log *slog.Logger) (*connector.Connector, io.Closer, error) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		conn, closer, err := r.openOnce(ctx, append([]connector.Option{connector.WithLogger(r.log), connector.WithBudget(r.budget)}, r.options...))
		switch {
		case err == nil:
			return conn, closer, nil
		case ctx.Err() != nil:
			return nil, nil, nil //nolint:nilerr // stopped before it began: that is no failure
		}
		switch connector.ClassOf(err) {
		case connector.Retryable, connector.Systemic:
		default:
			return nil, nil, err
		}
		r.progress.Store(&progress{phase: phaseOpening, err: err})
		wait := max(wait, connector.LeastWait(err))
		log.Error("can't start yet", "error", err, "again_in", wait)
		select {
		case <-ctx.Done():
			return nil, nil, nil
		case <-time.After(wait):
		}
	}
}

// report logs a connector's status until ctx ends.
func report(ctx context.Context, log *slog.Logger, conn *connector.Connector, every time.Duration) {
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	before := conn.Status()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := conn.Status()
		log.Info("status", statusLine(before, now, every)...)
		before = now
	}
}

// statusLine says what a connector did between two looks at it, and what troubles it.
func statusLine(before, now connector.Status, d time.Duration) []any {
	var lag int64
	states := map[connector.State]int{}
	trouble := now.Error
	for i := range now.Partitions {
		p := &now.Partitions[i]
		lag += p.Lag
		states[p.State]++
		if trouble == "" && p.State != connector.StateRunning && p.Error != "" {
			trouble = p.Partition.String() + ": " + p.Error
		}
	}
	read := now.Totals[connector.MetricRead] - before.Totals[connector.MetricRead]
	line := []any{
		"records_per_s", int64(float64(read)/d.Seconds() + 0.5),
		"lag", lag,
		"written", now.Totals[connector.MetricWritten],
		"dead_letters", now.Totals[connector.MetricBuried],
		"partitions", len(now.Partitions),
		"held_bytes", now.Held,
	}
	if files := filesByReason(now.Totals); files != "" {
		line = append(line, "files", files)
	}
	for _, s := range []connector.State{connector.StateRecovering, connector.StateRetrying, connector.StateBlocked, connector.StateHalted, connector.StatePaused} {
		if states[s] > 0 {
			line = append(line, string(s), states[s])
		}
	}
	if trouble != "" {
		line = append(line, "error", trouble)
	}
	return line
}

// filesByReason says how many files were closed, and why: "age:12 memory:3".
func filesByReason(totals map[connector.Metric]int64) string {
	var all []string
	for m, n := range totals {
		if reason, ok := strings.CutPrefix(string(m), "files_"); ok && n > 0 {
			all = append(all, fmt.Sprintf("%s:%d", reason, n))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
