package redisgeo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// A vault is a place of passwords that are rotated: it tells a newer one to those only whose password was refused.
type vault struct {
	mu    sync.Mutex
	known string
	next  string   // what known becomes
	asked []string // refused, in their order
	err   error
}

func (*vault) String() string { return "vault, field redis" }

func (v *vault) Read(_ context.Context, refused string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if refused != "" {
		v.asked = append(v.asked, refused)
		if refused == v.known && v.next != "" {
			v.known, v.next = v.next, ""
		}
	}
	return v.known, v.err
}

// TestPasswordIsRenewed: the connection after a refusal asks for a newer password, those within 5 s after that do not.
func TestPasswordIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := &vault{known: "one"}
		l := &login{username: "u", password: secret.From(place)}
		refused := fmt.Errorf("write: %w", replied("WRONGPASS invalid username-password pair or user is disabled."))
		for i, step := range []struct {
			wait    time.Duration
			refused error  // what Redis said of the password before
			next    string // what the place has then
			want    string // password
			asked   int
		}{
			{0, nil, "", "one", 0},
			{0, replied("LOADING Redis is loading the dataset in memory"), "", "one", 0},
			{0, refused, "", "one", 1},                                   // there is none yet
			{renewInterval - time.Millisecond, refused, "two", "one", 1}, // too soon
			{time.Millisecond, refused, "", "two", 2},
			{time.Hour, nil, "three", "two", 2}, // Redis takes both
			{0, replied("NOAUTH Authentication required."), "", "three", 3},
			{time.Hour, replied("ERR invalid password"), "four", "four", 4},
		} {
			time.Sleep(step.wait)
			if step.next != "" {
				place.next = step.next
			}
			if step.refused != nil {
				_ = l.classify(step.refused)
			}
			user, password, err := l.credentials(t.Context())
			if err != nil || user != "u" || password != step.want || len(place.asked) != step.asked {
				t.Fatalf("step %d: user %q, password %q, asked for %q, %v; want %q and %d questions", i, user, password, place.asked, err, step.want, step.asked)
			}
		}
		if got := strings.Join(place.asked, " "); got != "one one two three" {
			t.Errorf("asked for newer ones than %s", got)
		}
	})
}

// TestPasswordIsRenewedOnceForMany: connections that are refused at the same time ask once.
func TestPasswordIsRenewedOnceForMany(t *testing.T) {
	place := &vault{known: "one"}
	l := &login{password: secret.From(place)}
	if _, _, err := l.credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_ = l.classify(replied("WRONGPASS"))
			if _, _, err := l.credentials(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(place.asked) != 1 {
		t.Errorf("asked %d times", len(place.asked))
	}
}

// TestRotatedPassword: Redis has a new password. What needs a connection fails once, and then goes on.
func TestRotatedPassword(t *testing.T) {
	d := newDouble(t, "GEOADD")
	d.RequireUserAuth("millrace", "one")
	place := &vault{known: "one"}
	s := open(t, config(d.Addr(), func(c *Config) { c.Username, c.Password = "millrace", secret.From(place) }))
	d.RequireUserAuth("millrace", "two")
	place.mu.Lock()
	place.next = "two"
	place.mu.Unlock()
	d.mu.Lock()
	d.drop = true
	d.mu.Unlock()
	attempt := func() error {
		return s.Load(t.Context(), batch(t, origin{}, rec{member: "a", longitude: 1}))
	}
	if err := attempt(); connector.ClassOf(err) != connector.Retryable { // the connection breaks
		t.Errorf("class of %v is %v", err, connector.ClassOf(err))
	}
	if err := attempt(); err == nil || connector.ClassOf(err) != connector.Systemic || strings.Contains(err.Error(), "one") {
		t.Errorf("got %v", err)
	}
	if err := attempt(); err != nil {
		t.Errorf("the new password isn't used: %v", err)
	}
}

// TestPlaceOfPasswordFails: the message names the setting and the place, not the address of Redis as the cause.
func TestPlaceOfPasswordFails(t *testing.T) {
	d := newDouble(t)
	for _, mode := range []string{modeAuto, modeCluster} {
		c := config(d.Addr(), func(c *Config) {
			c.Mode, c.Password = mode, secret.From(&vault{err: connector.Systemic.Wrap(errors.New("access denied"))})
		})
		_, err := c.open(t.Context(), timeouts{})
		if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "password: read vault, field redis: access denied") || strings.Contains(err.Error(), "look at addrs") {
			t.Errorf("mode %s: got %v", mode, err)
		}
	}
}
