//go:build !no_redis_geo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/examples"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	length connector.Duration
	rate   int
	cars   int
	dir    string
	json   bool
}

func (c *command) demoCommand() *cobra.Command {
	o := demoOptions{length: connector.Duration(20 * time.Second), rate: 20_000, cars: 20_000}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show cars' positions flow from Kafka into Redis and into files",
		Long: `Start a small Kafka and a small Redis inside this process, let cars drive through Seoul, and run
the files of examples/gps-to-redis and examples/gps-to-files on their positions. Two records
in the first second are broken on purpose: they end in the dead letter. It needs no network and no other program.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), o) },
	}
	cmd.Flags().TextVar(&o.length, "for", o.length, "how long the cars drive")
	cmd.Flags().IntVar(&o.rate, "rate", o.rate, "positions per second, all cars together")
	cmd.Flags().IntVar(&o.cars, "cars", o.cars, "number of cars")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for the files (default: a new temporary one)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print only the summary, as one line of JSON")
	return cmd
}

// A summary is how a demo ended.
type summary struct {
	Produced    int64            `json:"produced"`
	Lag         int64            `json:"lag"`
	Written     map[string]int64 `json:"written"`      // records, by sink
	DeadLetters int64            `json:"dead_letters"` // records; each of the connectors buries it
	Bytes       int64            `json:"bytes"`        // of keys and values produced
	Files       int              `json:"files"`
	FileBytes   int64            `json:"file_bytes"`
	Seconds     float64          `json:"seconds"`
}

func (c *command) demo(ctx context.Context, o demoOptions) (err error) {
	if o.length <= 0 || o.rate <= 0 || o.cars <= 0 {
		return errors.New("--for, --rate and --cars must be above 0")
	}
	tuneMemory(demoMemory)
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "millrace-demo-"); err != nil {
			return failure{err}
		}
	}
	services, err := startServices()
	if err != nil {
		return failure{fmt.Errorf("start the services: %w", err)}
	}
	defer services.stop()
	connectors, err := c.demoConnectors(services, o.dir)
	if err != nil {
		return err
	}
	s, err := c.play(ctx, services, connectors, o)
	if err != nil {
		return failure{err}
	}
	if o.json {
		return json.NewEncoder(c.out).Encode(s)
	}
	return c.conclude(ctx, services, s, o)
}

// demoMemory is the memory limit of a demo: the run command's, and the records that its Kafka keeps.
const demoMemory = 600 << 20

// demoConnectors reads the two example files, with the demo's services in place of the environment.
func (c *command) demoConnectors(s *services, dir string) ([]*config.Connector, error) {
	variables := map[string]string{"BROKERS": s.brokers, "REDIS_ADDRS": s.redis.Addr(), "FILES_DIR": dir, "FILES_AGE": "5s"}
	env := config.Environment{
		Lookup:   func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		ReadFile: os.ReadFile,
	}
	var all []*config.Connector
	for _, name := range []string{"gps-to-redis/millrace.yaml", "gps-to-files/millrace.yaml"} {
		data, err := examples.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := c.plugins.Parse("examples/"+name, data, env)
		if err != nil {
			return nil, err
		}
		all = append(all, f.Connectors...)
	}
	return all, nil
}

// play lets the cars drive and the connectors run, shows how it goes, and drains.
func (c *command) play(ctx context.Context, s *services, configs []*config.Connector, o demoOptions) (summary, error) {
	started := time.Now()
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelError}))
	budget := connector.NewBudget(128 << 20)
	running, drain := context.WithCancel(ctx)
	defer drain()
	var ended sync.WaitGroup
	var closers []io.Closer
	defer func() {
		drain()
		ended.Wait() // a sink is closed when nobody writes to it any more
		for _, c := range closers {
			c.Close()
		}
	}()
	var conns []*connector.Connector
	failed := make(chan error, len(configs))
	for _, f := range configs {
		conn, closer, err := f.Open(ctx, connector.WithLogger(log), connector.WithBudget(budget))
		if err != nil {
			return summary{}, err
		}
		closers = append(closers, closer)
		conns = append(conns, conn)
		ended.Go(func() {
			if err := conn.Run(running); err != nil {
				failed <- err
			}
		})
	}
	f := newFleet(o.cars)
	driving, park := context.WithTimeout(ctx, time.Duration(o.length))
	defer park()
	parked := make(chan error, 1)
	go func() { parked <- f.drive(driving, s.brokers, o.rate) }()

	view := c.newDemoView(o.json)
	err := c.watch(ctx, view, f, conns, parked, failed)
	drain()
	ended.Wait()
	if err != nil {
		return summary{}, err
	}
	result := summary{
		Produced: f.produced.Load(), Bytes: f.bytes.Load(), Written: map[string]int64{},
		Seconds: time.Since(started).Round(10 * time.Millisecond).Seconds(),
	}
	for i, conn := range conns {
		st := conn.Status()
		result.Written[configs[i].Sink.Name] = st.Totals[connector.MetricWritten]
		result.Lag = max(result.Lag, result.Produced-st.Totals[connector.MetricWritten]-st.Totals[connector.MetricFiltered]-st.Totals[connector.MetricBuried])
		result.DeadLetters = max(result.DeadLetters, st.Totals[connector.MetricBuried])
	}
	result.Files, result.FileBytes, err = folderSize(o.dir)
	return result, err
}

// watch shows the table until the cars have parked and all that they sent has been read.
func (c *command) watch(ctx context.Context, view *demoView, f *fleet, conns []*connector.Connector, parked, failed <-chan error) error {
	tick := time.NewTicker(view.interval())
	defer tick.Stop()
	defer view.end()
	var deadline <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case s := <-c.signals:
			return fmt.Errorf("stopped by %s", s)
		case <-deadline:
			return errors.New("what was produced wasn't read within 30 s")
		case err := <-parked:
			if err != nil {
				return fmt.Errorf("produce: %w", err)
			}
			parked = nil
			deadline = time.After(30 * time.Second)
			tick.Reset(100 * time.Millisecond)
		case <-tick.C:
			view.show(f, conns)
			if parked == nil && readAll(f.produced.Load(), conns) {
				return nil
			}
		}
	}
}

func readAll(produced int64, conns []*connector.Connector) bool {
	for _, conn := range conns {
		if conn.Status().Totals[connector.MetricRead] < produced {
			return false
		}
	}
	return true
}

// folderSize counts the files below a folder that are meant to be seen.
func folderSize(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != dir && d.Name()[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}

// conclude says what the demo has shown.
func (c *command) conclude(ctx context.Context, s *services, r summary, o demoOptions) error {
	near, err := s.near(ctx, here)
	if err != nil {
		return failure{err}
	}
	w := c.out
	fmt.Fprintf(w, "\n%d positions of %d cars in %.1f s; lag %d.\n", r.Produced, o.cars, r.Seconds, r.Lag)
	fmt.Fprintf(w, "\nWhich cars are within 1 km of Seoul City Hall?\n")
	fmt.Fprintf(w, "  GEOSEARCH cars#gps FROMLONLAT %g %g BYRADIUS 1 km ASC\n", here.lng, here.lat)
	printNear(w, near)
	fmt.Fprintf(w, "\n%d files, %s compressed from %s:\n  %s\n", r.Files, size(r.FileBytes), size(r.Bytes), o.dir)
	letters, err := s.deadLetters(ctx)
	if err != nil {
		return failure{err}
	}
	fmt.Fprintf(w, "\n%d broken records in the dead letter, topic cars.gps.dlq:\n", r.DeadLetters)
	for _, l := range letters {
		for _, line := range wrap(l, lineWidth-4) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	return nil
}

func printNear(w io.Writer, near []neighbour) {
	for i, n := range near {
		if i == 5 {
			fmt.Fprintf(w, "  ... and %d more\n", len(near)-i)
			return
		}
		fmt.Fprintf(w, "  %-10s %4.0f m\n", n.car, n.meters)
	}
	if len(near) == 0 {
		fmt.Fprintln(w, "  none just now")
	}
}

// size prints bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// memory is what this process has from the system, without what it gave back.
func memory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
