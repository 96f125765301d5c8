package redisgeo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// A login is what connections authenticate with: the password, or IAM tokens. It is safe for concurrent use.
type login struct {
	username string
	password secret.Text
	iam      *signer // nil: the password

	mu      sync.Mutex
	sent    string    // the password that was used last
	refused bool      // Redis didn't take it
	renewed time.Time // when the password's place was last asked for a newer one
}

// renewInterval is the least time between two questions for a newer password: there may be none.
const renewInterval = 5 * time.Second

// login reads no password yet. The caller closes it.
func (c Config) login(ctx context.Context) (*login, error) {
	l := &login{username: c.Username, password: c.Password}
	var err error
	if c.IAM.inUse() {
		l.iam, err = c.signer(ctx)
	}
	return l, err
}

func (l *login) close() {
	if l.iam != nil {
		l.iam.close()
	}
}

// credentials are those of a new connection. Its errors are of type *loginError.
func (l *login) credentials(ctx context.Context) (username, password string, err error) {
	if l.iam != nil {
		password, err = l.iam.token(ctx)
	} else {
		password, err = l.read(ctx)
	}
	if err != nil {
		return "", "", &loginError{err}
	}
	return l.username, password, nil
}

// read returns the password, which is a newer one after a refusal if there is one.
func (l *login) read(ctx context.Context) (string, error) {
	password, err := l.password.Renew(ctx, l.toRenew())
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent, l.refused = password, false // until Redis says otherwise
	return password, nil
}

// toRenew is the password that was refused, "" if none was or one was asked for just now.
func (l *login) toRenew() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.refused || time.Since(l.renewed) < renewInterval {
		return ""
	}
	l.renewed = time.Now()
	return l.sent
}

// classify is classify for an error of a connection that authenticates so. After a refusal the next
// connection asks for a newer password.
func (l *login) classify(err error) error {
	if !refusesLogin(err) {
		return classify(err)
	}
	if l.iam != nil {
		return connector.Systemic.Errorf("%w (%s)", err, l.iam.hint())
	}
	l.mu.Lock()
	l.refused = true
	l.mu.Unlock()
	return classify(err)
}

// refusesLogin reports that Redis didn't take the credentials, or wants some. Before Redis 6 there was no WRONGPASS.
func refusesLogin(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	text := reply.Error()
	return strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "ERR invalid password")
}

// A loginError is why there is nothing to authenticate with. It has its class, and isn't an error of the connection to Redis.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }
