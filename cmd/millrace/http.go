package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

// The limits of the servers. All answers are made in memory, so only a client that doesn't read needs longer.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	profileTimeout = 5 * time.Minute // a profile takes as long as it is asked for
	idleTimeout    = 2 * time.Minute // above the interval of probes and scrapes, which keep their connection
	closeTimeout   = time.Second     // for answers under way at the end
	headerBytes    = 16 << 10
)

// handler answers for --http.
func (b *board) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", b.readyz)
	mux.HandleFunc("GET /status", b.status)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var text bytes.Buffer
		writeMetrics(&text, b.look())
		respond(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", text.Bytes())
	})
	return mux
}

func (b *board) readyz(w http.ResponseWriter, _ *http.Request) {
	code, text := http.StatusOK, "ready\n"
	if v := b.look(); !v.Ready {
		code, text = http.StatusServiceUnavailable, "not ready\n"+strings.Join(v.Reasons, "\n")+"\n"
	}
	respond(w, code, "text/plain; charset=utf-8", []byte(text))
}

func (b *board) status(w http.ResponseWriter, _ *http.Request) {
	text, err := json.MarshalIndent(b.look(), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	respond(w, http.StatusOK, "application/json", append(text, '\n'))
}

func respond(w http.ResponseWriter, code int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff") // errors quote what services say
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	w.Write(body) //nolint:errcheck // a client that went away needs no answer
}

// profiles answers for --pprof.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// serve listens where the flags say. stop, which is never nil, ends that and returns when it has ended.
func (o runOptions) serve(b *board, log *slog.Logger) (stop func(), err error) {
	var servers []*server
	stop = func() {
		for _, s := range servers {
			s.close()
		}
	}
	if o.http != "" {
		l, err := listen("--http", o.http)
		if err != nil {
			return stop, err
		}
		servers = append(servers, start("--http", l, b.handler(), writeTimeout, log))
	}
	if o.pprof != "" {
		l, err := listenLoopback("--pprof", o.pprof, "localhost:6060", "profiles show the memory of the process")
		if err != nil {
			stop()
			return func() {}, err
		}
		servers = append(servers, start("--pprof", l, profiles(), profileTimeout, log))
	}
	if o.control != "" {
		s, err := o.serveControl(b, log)
		if err != nil {
			stop()
			return func() {}, err
		}
		servers = append(servers, s)
	}
	return stop, nil
}

// listen takes the port of a flag.
func listen(flag, address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%s needs an address such as :8080 or 127.0.0.1:8080: %w", flag, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, failure{fmt.Errorf("%s %s: %w", flag, address, err)}
	}
	return l, nil
}

// listenLoopback is listen for what only this machine may see. It listens on the very address that was checked: a name may
// have others. An error gives an example, and why.
func listenLoopback(flag, address, example, why string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s needs an address such as %s: %w", flag, example, err)
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("%s %s isn't a loopback address: %s; use one such as %s", flag, address, why, example)
	}
	return listen(flag, a.String())
}

// A server serves one port in a goroutine of its own.
type server struct {
	http  *http.Server
	ended chan struct{}
}

func start(flag string, l net.Listener, h http.Handler, write time.Duration, log *slog.Logger) *server {
	log = log.With("flag", flag)
	s := &server{ended: make(chan struct{}), http: &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: write, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	log.Info("listening", "address", l.Addr().String())
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving ended; connectors go on", "error", err)
		}
	}()
	return s
}

// close lets answers under way finish, but not for long.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close() //nolint:errcheck // there is nothing left to do about it
	}
	<-s.ended
}
