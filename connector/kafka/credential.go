package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

const (
	// readTimeout bounds reading credentials for one connection: a service that is silent must become an error that is seen.
	readTimeout = 4 * time.Second
	// renewal is how often a text that brokers refuse is asked for anew.
	renewal = 3 * time.Second
)

// A credential is a secret that is read at every authentication, and asked for anew once brokers have refused it. It is safe
// for concurrent use.
type credential struct {
	name string // of the setting
	text secret.Text

	mu      sync.Mutex
	used    string
	doubt   bool // used was refused
	renewed time.Time
}

// read returns the text as it is now.
func (c *credential) read(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	text, err := c.text.Renew(ctx, c.suspect(time.Now()))
	if err != nil {
		return "", connector.ClassOf(err).Wrap(fmt.Errorf("%s: %w", c.name, err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if text != c.used {
		c.used, c.doubt = text, false
	}
	return text, nil
}

// suspect is the text that was refused, if it is time to ask for another.
func (c *credential) suspect(now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.doubt || now.Sub(c.renewed) < renewal {
		return ""
	}
	c.renewed = now
	return c.used
}

func (c *credential) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubt = c.used != ""
}
