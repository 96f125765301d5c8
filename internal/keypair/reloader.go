package keypair

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"
)

// An Event is what a [Reloader] tells of a renewal.
type Event struct {
	// Certificate is the client certificate that is in use.
	Certificate *x509.Certificate
	// Problem is nil where Certificate has just taken the place of another. Otherwise it is why what was
	// read last can't be used, and Certificate stays in use.
	Problem error
}

// A Reloader hands out a certificate and its private key, and follows their renewal: it reads them each time it is asked, and parses
// them where they have changed. Files that are half written, or of which one is new and the other old, don't
// harm: the last good pair stays in use until it expires. It is safe for concurrent use.
type Reloader struct {
	read   func(context.Context) (Parts, error)
	notify func(Event)
	now    func() time.Time

	turn chan struct{} // holds one token while a caller is at work on what follows
	seen [sha256.Size]byte
	last outcome // of parsing what was seen
	good *pair   // handed out last; nil at first
	told string  // the problem that was told last; "" after a success
}

type outcome struct {
	pair *pair
	err  error
}

// NewReloader makes a Reloader. read returns the parts as they are now, and obeys its context; calls don't
// overlap. notify, if not nil, is called once for each pair that takes the place of another and once for each problem that a
// good pair bridges, one call at a time; it must not call the Reloader.
func NewReloader(read func(context.Context) (Parts, error), notify func(Event)) *Reloader {
	if notify == nil {
		notify = func(Event) {}
	}
	return &Reloader{read: read, notify: notify, now: time.Now, turn: make(chan struct{}, 1)}
}

// ClientCertificate is for [tls.Config.GetClientCertificate]: it hands out the pair to every server that asks for one.
func (r *Reloader) ClientCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return r.Certificate(info.Context())
}

// Certificate returns the pair to use for a new connection. An error is an [*Error], or what read returned, or the
// context's, and it comes only where no good pair is known or the last has expired.
func (r *Reloader) Certificate(ctx context.Context) (*tls.Certificate, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the client certificate: %w", context.Cause(ctx))
	}
	now := r.now()
	fresh, problem := r.load(ctx, now)
	switch {
	case problem == nil:
		r.use(fresh)
	case r.good == nil, r.good == fresh: // nothing else to use
		return nil, problem
	default:
		if err := r.good.checkDates(now); err != nil {
			return nil, fmt.Errorf("%w; and the one that was in use until now: %w", problem, err)
		}
		r.tell(problem)
	}
	return r.good.tls(), nil
}

// load reads and parses. Where the pair can't be used because of its dates, it is returned with the error.
func (r *Reloader) load(ctx context.Context, now time.Time) (*pair, error) {
	parts, err := r.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate: %w", err)
	}
	if sum := parts.sum(); sum != r.seen {
		r.seen = sum
		r.last.pair, r.last.err = parts.parse()
	}
	if r.last.err != nil {
		return nil, r.last.err
	}
	return r.last.pair, r.last.pair.checkDates(now)
}

func (r *Reloader) use(fresh *pair) {
	replaced := r.good != nil && !r.good.chain[0].Equal(fresh.chain[0])
	r.good, r.told = fresh, ""
	if replaced {
		r.notify(Event{Certificate: fresh.chain[0]})
	}
}

func (r *Reloader) tell(problem error) {
	if text := problem.Error(); text != r.told {
		r.told = text
		r.notify(Event{Certificate: r.good.chain[0], Problem: problem})
	}
}

// sum tells parts apart without keeping the password and the key in memory once more.
func (p Parts) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range [][]byte{p.Certificate, p.Key, p.PKCS12, []byte(p.Password)} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // so that parts don't run into each other
		_, _ = h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(sum[:0]))
}
