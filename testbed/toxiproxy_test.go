//go:build testbed

package testbed

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is longer than a good network needs for an answer, and shorter than a bad one.
const patience = 2 * time.Second

// Each trouble is seen by a client, and ends, and leaves nothing behind.
func TestProxy(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	answer := strings.Repeat("answer ", 200) // it comes in one piece
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) }))
	t.Cleanup(server.Close)
	proxy := StartProxy(t, server.URL)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func() (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		return len(text), err
	}
	works := func(when string) {
		t.Helper()
		if n, err := get(); n != len(answer) || err != nil {
			t.Errorf("%s: %d bytes, error %v", when, n, err)
		}
	}
	fails := func(how string, want error) {
		t.Helper()
		if n, err := get(); !errors.Is(err, want) {
			t.Errorf("%s: %d bytes, error %v, want %v", how, n, err, want)
		}
	}
	works("at first")
	proxy.Down(t)
	fails("down", syscall.ECONNREFUSED)
	proxy.Up(t)
	works("up")
	proxy.Slow(t, time.Hour)
	fails("slow", context.DeadlineExceeded)
	proxy.Slow(t, time.Millisecond)
	works("less slow")
	proxy.Hang(t)
	fails("hanging", context.DeadlineExceeded)
	proxy.Reset(t)
	fails("reset", syscall.ECONNRESET)
	proxy.CutAfter(t, 700)
	fails("cut", io.ErrUnexpectedEOF)
	proxy.Heal(t)
	works("healed")
}

// A connection that is open hears of a trouble too.
func TestProxyOpenConnection(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	proxy := StartProxy(t, server.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	get := func() error {
		a, err := client.Get(proxy.URL())
		if err == nil {
			a.Body.Close()
		}
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	proxy.Hang(t)
	if err := get(); err == nil {
		t.Error("an answer by a connection that hangs")
	}
	proxy.Down(t)
	if err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v", err)
	}
}
