package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

const (
	callTimeout  = 10 * time.Second
	maxAge       = 5 * time.Minute  // of what is kept in memory
	renewalPause = 10 * time.Second // between two requests for a secret that was refused, or can't be read again
	failurePause = time.Second      // after a failure where there is nothing to go on with
)

// A Store is Secrets Manager in all Regions, with the credentials that the AWS SDK finds. It is safe for concurrent use, and calls nothing
// before a secret is read.
type Store struct {
	now   func() time.Time
	calls singleflight.Group // one under way for each secret

	mu      sync.Mutex
	clients map[string]client   // by region, "" is the SDK's own
	kept    map[location]answer // what is known of each secret
}

// A location is a secret: its name or ARN, and the region, "" for the SDK's own.
type location struct{ name, region string }

// An answer is the newest of a secret.
type answer struct {
	number int // of the call
	text   string
	ok     bool      // there is a text
	read   time.Time // when it was read
	err    error     // of the last call, nil if it gave the text
	pause  time.Time // it isn't asked for earlier, unless its age alone wants it
}

// New is a Store.
func New() *Store {
	return &Store{now: time.Now, clients: map[string]client{}, kept: map[location]answer{}}
}

// What Secrets Manager takes (API reference, CreateSecret and GetSecretValue).
var (
	names = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	arns  = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$`)
)

// Secret is the place of a field of a secret's JSON object, or of its whole text where field is "". name is a name or an
// ARN; region is "" where the ARN's is meant, or that of the SDK's configuration. Nothing is read.
func (s *Store) Secret(name, field, region string) (secret.Source, error) {
	if err := (identity.Config{Region: region}).Validate(); err != nil {
		return nil, err
	}
	if m := arns.FindStringSubmatch(name); m != nil {
		if region != "" && region != m[1] {
			return nil, fmt.Errorf("the region of %s is %s, not %s", name, m[1], region)
		}
		region = m[1]
	} else if strings.HasPrefix(name, "arn:") || !names.MatchString(name) {
		return nil, fmt.Errorf("%q is no secret: write its name, or an ARN such as arn:aws:secretsmanager:eu-west-1:123456789012:secret:NAME-a1b2c3", name)
	}
	return place{store: s, at: location{name, region}, field: field}, nil
}

// A place is a field of a secret.
type place struct {
	store *Store
	at    location
	field string
}

// String is "secret NAME, field F".
func (p place) String() string {
	out := "secret " + p.at.name
	if p.field != "" {
		out += ", field " + p.field
	}
	return out
}

// Read returns the text. See secret.Source.
func (p place) Read(ctx context.Context, refused string) (string, error) {
	a, fresh := p.store.lookup(p.at)
	text, err := fieldOf(a.text, p.field)
	again := a.ok && (err != nil || refused != "" && text == refused) // what is known is of no use
	if (!fresh || again) && !p.store.now().Before(a.pause) {
		if a, err = p.store.ask(ctx, p.at, a.number, again); err != nil {
			return "", err
		}
	}
	if a.err != nil && (!a.ok || again) {
		return "", a.err
	}
	return fieldOf(a.text, p.field)
}

// lookup is what is known, and whether it is young enough.
func (s *Store) lookup(at location) (a answer, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = s.kept[at]
	return a, a.ok && s.now().Sub(a.read) < maxAge
}

// ask gets a secret, one call at a time, unless there is a newer answer than the one that the caller has seen. The call goes on when ctx ends,
// for who else waits for it; the error is ctx's.
func (s *Store) ask(ctx context.Context, at location, seen int, again bool) (answer, error) {
	done := s.calls.DoChan(at.region+" "+at.name, func() (any, error) {
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if a, _ := s.lookup(at); a.number != seen {
			return a, nil // it came meanwhile
		}
		text, err := s.get(calling, at)
		return s.keep(at, text, err, again), nil
	})
	select {
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	case r := <-done:
		a, ok := r.Val.(answer)
		if !ok {
			return answer{}, errors.New("no answer")
		}
		return a, nil
	}
}

// keep notes what a call gave.
func (s *Store) keep(at location, text string, err error, again bool) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, now := s.kept[at], s.now()
	a.err = err
	a.number++
	switch {
	case err == nil:
		a.text, a.ok, a.read = text, true, now
		if again {
			a.pause = now.Add(renewalPause)
		}
	case a.ok:
		a.pause = now.Add(renewalPause)
	default:
		a.pause = now.Add(failurePause)
	}
	s.kept[at] = a
	return a
}
