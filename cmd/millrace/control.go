package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
)

// The limits of --control.
const (
	controlBytes   = 256 << 10       // of a request's body: a thousand partitions with the longest names
	controlTimeout = 5 * time.Minute // for an answer: changes wait for what the sink is doing, as long as a drain may take
	skipTimeout    = time.Minute     // for a dead letter that takes the gap record
)

// A controlled is a connector that runs. All methods may be called by any goroutine at any time.
type controlled interface {
	Status() connector.Status
	Pause(ps ...connector.Partition) error
	Resume(ps ...connector.Partition) error
	Skip(ctx context.Context, p connector.Partition, offset int64) error
}

// An operand is a connector that requests may be about.
type operand struct {
	name    string
	running func() (controlled, error) // an error says why it doesn't run
}

// A control answers for --control. It may be used by any goroutine.
type control struct {
	status   http.HandlerFunc
	operands []operand
	token    [sha256.Size]byte // its hash: the token itself isn't kept
	log      *slog.Logger
}

// A change is what a request asks for.
type change struct {
	Connector  string   `json:"connector"`  // may be empty where there is one
	Partitions []string `json:"partitions"` // as TOPIC/PARTITION; none is all, except for a skip
	Offset     *int64   `json:"offset,omitempty"`
	Force      bool     `json:"force,omitempty"` // skip in a partition that runs
}

// A changed is the answer to a change that was made.
type changed struct {
	Done       string   `json:"done"` // pause, resume or skip
	Connector  string   `json:"connector"`
	Partitions []string `json:"partitions"` // none is all
	Offset     *int64   `json:"offset,omitempty"`
}

// A refusal is an error with the status of its response.
type refusal struct {
	code int
	error
}

func refuse(code int, format string, args ...any) error {
	return refusal{code, fmt.Errorf(format, args...)}
}

func (o *runOptions) controlFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.control, "control", "", "loopback address for status, pause, resume and skip, such as "+defaultControl+"; none by default")
	f.StringVar(&o.controlToken, "control-token", "", tokenUsage)
}

// serveControl begins to listen for --control. The caller closes what it returns.
func (o runOptions) serveControl(b *board, log *slog.Logger) (*server, error) {
	token, err := readToken(o.controlToken)
	if err != nil {
		return nil, err
	}
	l, err := listenLoopback("--control", o.control, defaultControl, "what it does is for this machine alone")
	if err != nil {
		return nil, err
	}
	text, _ := token.Known()
	c := &control{status: b.status, token: hashOf(text), log: log.With("flag", "--control")}
	for _, r := range b.runners {
		c.operands = append(c.operands, operand{r.config.Name, r.running})
	}
	return start("--control", l, c.handler(), controlTimeout, log), nil
}

// running is the connector, or an error that says why it doesn't run.
func (r *runner) running() (controlled, error) {
	p, why := r.progress.Load(), ""
	if p != nil && p.err != nil {
		why = ": " + p.err.Error()
	}
	switch {
	case p == nil || p.phase == phaseOpening:
		return nil, fmt.Errorf("connector %s doesn't run yet%s", r.config.Name, why)
	case p.phase == phaseEnded:
		return nil, fmt.Errorf("connector %s has ended%s", r.config.Name, why)
	}
	return p.conn, nil
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", c.status)
	mux.HandleFunc("POST /pause", c.changes("pause", controlled.Pause))
	mux.HandleFunc("POST /resume", c.changes("resume", controlled.Resume))
	mux.HandleFunc("POST /skip", c.answers("skip", c.skip))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.admit(r); err != nil {
			c.log.Warn("a request was turned away", "path", r.URL.Path, "error", err)
			refused(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// admit says who may ask. A page in a browser on this machine can send requests here, under a name of its own that leads to this
// address (DNS rebinding) or with its origin: neither is let in, whatever else it knows.
func (c *control) admit(r *http.Request) error {
	if !loopbackHost(r.Host) {
		return refuse(http.StatusForbidden, "the request's Host isn't a loopback address or localhost")
	}
	if _, ok := r.Header["Origin"]; ok {
		return refuse(http.StatusForbidden, "the request has an Origin: pages of browsers may not ask")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := hashOf(strings.TrimSpace(token))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], c.token[:]) != 1 {
		return refuse(http.StatusUnauthorized, "the token is missing or wrong: send the header \"Authorization: Bearer TOKEN\"")
	}
	return nil
}

// hashOf makes tokens that are compared equally long, so that the time it takes tells nothing of them.
func hashOf(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// loopbackHost reports whether a header Host means this machine. The port may be any: a tunnel has one of its own.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// answers reads a change, lets do make it, and logs what was made.
func (c *control) answers(name string, do func(ctx context.Context, conn controlled, ch *change) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ch, err := readChange(w, r)
		if err == nil {
			err = c.make(r.Context(), ch, do)
		}
		if err != nil {
			c.log.Warn("a change was refused", "change", name, "error", err)
			refused(w, err)
			return
		}
		done := changed{Done: name, Connector: ch.Connector, Partitions: append([]string{}, ch.Partitions...), Offset: ch.Offset}
		line := []any{"change", name, "connector", done.Connector, "partitions", partitionsText(done.Partitions)}
		if done.Offset != nil {
			line = append(line, "offset", *done.Offset)
		}
		c.log.Warn("changed by request", line...)
		text, err := json.Marshal(done)
		if err != nil {
			refused(w, err)
			return
		}
		respond(w, http.StatusOK, "application/json", append(text, '\n'))
	}
}

// partitionsText lists partitions in logs and for people.
func partitionsText(ps []string) string {
	if len(ps) == 0 {
		return "all"
	}
	return strings.Join(ps, ", ")
}

func refused(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	var r refusal
	if errors.As(err, &r) {
		code = r.code
	}
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	respond(w, code, "text/plain; charset=utf-8", []byte(err.Error()+"\n"))
}

func readChange(w http.ResponseWriter, r *http.Request) (*change, error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, controlBytes))
	d.DisallowUnknownFields()
	var ch change
	err := d.Decode(&ch)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return &ch, nil
		}
		err = errors.New("something follows the JSON object")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", controlBytes)
	}
	return nil, refuse(http.StatusBadRequest, "the body isn't {\"connector\": NAME, \"partitions\": [\"TOPIC/PARTITION\"]}: %w", err)
}

// make finds the connector and lets do change it.
func (c *control) make(ctx context.Context, ch *change, do func(context.Context, controlled, *change) error) error {
	o, err := c.operand(ch.Connector)
	if err != nil {
		return err
	}
	ch.Connector = o.name
	conn, err := o.running()
	if err != nil {
		return refusal{http.StatusConflict, err}
	}
	return do(ctx, conn, ch)
}

func (c *control) operand(name string) (operand, error) {
	var names []string
	for _, o := range c.operands {
		if o.name == name {
			return o, nil
		}
		names = append(names, o.name)
	}
	switch {
	case name != "":
		return operand{}, refuse(http.StatusNotFound, "this process runs no connector %q; it runs %s", name, strings.Join(names, ", "))
	case len(names) != 1:
		return operand{}, refuse(http.StatusBadRequest, "this process runs several connectors; choose one: %s", strings.Join(names, ", "))
	}
	return c.operands[0], nil
}

// changes answers what is about any number of partitions.
func (c *control) changes(name string, do func(controlled, ...connector.Partition) error) http.HandlerFunc {
	return c.answers(name, func(_ context.Context, conn controlled, ch *change) error {
		ps, err := parsePartitions(ch.Partitions)
		switch {
		case err != nil:
			return refusal{http.StatusBadRequest, err}
		case ch.Offset != nil || ch.Force:
			return refuse(http.StatusBadRequest, "only a skip has an offset or force")
		}
		if err := do(conn, ps...); err != nil {
			return refusal{http.StatusConflict, err}
		}
		return nil
	})
}

// skip goes on when the client goes away: half of it may be done.
func (c *control) skip(ctx context.Context, conn controlled, ch *change) error {
	ps, err := parsePartitions(ch.Partitions)
	switch {
	case err != nil:
		return refusal{http.StatusBadRequest, err}
	case len(ps) != 1 || ch.Offset == nil || *ch.Offset < 0:
		return refuse(http.StatusBadRequest, "a skip needs one partition and an offset from 0 on")
	}
	p, offset := ps[0], *ch.Offset
	all := conn.Status().Partitions
	runs := slices.ContainsFunc(all, func(s connector.PartitionStatus) bool { return s.Partition == p && s.State == connector.StateRunning })
	if runs && !ch.Force {
		return refuse(http.StatusConflict, "partition %s runs, so nothing is stuck there; force skips nevertheless", p)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), skipTimeout)
	defer cancel()
	err = conn.Skip(ctx, p, offset)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(http.StatusGatewayTimeout, "not done within %s; look at the status, and try again: %w", skipTimeout, err)
	case err != nil:
		return refusal{http.StatusConflict, err}
	}
	return nil
}
