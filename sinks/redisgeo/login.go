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
	"github.com/millrace/millrace/internal/identity"
)

// A login is what connections authenticate with: the password, or IAM tokens. It is safe for concurrent use.
type login struct {
	username string
	password secret.Text
	iam      *signer // nil: the password

	mu      sync.Mutex
	sent    string    // the password that was used last
	refused bool      // Redis didn't take it, or the token
	renewed time.Time // when something newer was last asked for
}

// renewInterval is the least time between two questions for a newer password, or newer credentials: there may be none.
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
		if l.renewal() {
			identity.Refused(l.iam.sdk) // what signed the token may have been replaced
		}
		if password, err = l.iam.token(ctx); err == nil {
			l.using("")
		}
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
	refused := ""
	if l.renewal() {
		refused = l.sentLast()
	}
	password, err := l.password.Renew(ctx, refused)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	l.using(password)
	return password, nil
}

// using notes the password that a connection is given, "" for a token: it counts until Redis says otherwise.
func (l *login) using(password string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent, l.refused = password, false
}

func (l *login) sentLast() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// renewal reports whether what was used last was refused, and nothing newer was asked for just now.
func (l *login) renewal() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.refused || time.Since(l.renewed) < renewInterval {
		return false
	}
	l.renewed = time.Now()
	return true
}

// classify is classify for an error of a connection that authenticates so. After a refusal the next
// connection asks for a newer password.
func (l *login) classify(err error) error {
	if !refusesLogin(err) {
		return classify(err)
	}
	l.mu.Lock()
	l.refused = true
	l.mu.Unlock()
	if l.iam != nil {
		return connector.Systemic.Errorf("%w (%s)", err, l.iam.hint())
	}
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
