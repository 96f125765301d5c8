package dynamodb

import (
	"context"
	"fmt"
	"sync"

	"github.com/millrace/millrace/internal/awsjson"
)

// sendEach writes the rows, those of one key one after the other and several keys side by side, and leaves in each row what DynamoDB said.
func (s *Sink) sendEach(ctx context.Context, rs *rows) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for at, c := range rs.keys {
		if err := s.enter(ctx); err != nil {
			failAll(rs, rs.keys[at:], err)
			return
		}
		if at == len(rs.keys)-1 {
			s.sendChain(ctx, rs, c)
			return
		}
		calls.Go(func() { s.sendChain(ctx, rs, c) })
	}
}

// enter waits for one of the requests under way, of all Loads, to end.
func (s *Sink) enter(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write to dynamodb: %w", ctx.Err())
	}
}

// sendChain writes the rows of a key. After one that may succeed later, the others wait for it: a sum leaves out what comes after its successor.
func (s *Sink) sendChain(ctx context.Context, rs *rows, c chain) {
	defer func() { <-s.slots }()
	for n := c.first; n >= 0; n = rs.list[n].next {
		x := &rs.list[n]
		x.err = s.send(ctx, rs, x)
		if x.err != nil && !permanent(x.err) {
			rs.fail(n, x.err)
			return
		}
	}
}

// send makes a row's request. That the table holds something newer, or the record itself, is success.
func (s *Sink) send(ctx context.Context, rs *rows, x *row) error {
	err := s.call(ctx, x.operation, rs.at(x.request))
	refusal := awsjson.Refusal(err)
	switch {
	case !outdated(refusal):
		return judge(err)
	case x.addOnly == span{}:
		return nil
	case counted(refusal.Body, s.guard.counter(rs.source), x):
		return nil
	}
	// The rest of the item is newer than the record, but the record hasn't been counted.
	if err = s.call(ctx, opUpdate, rs.at(x.addOnly)); outdated(awsjson.Refusal(err)) {
		return nil
	}
	return judge(err)
}

func (s *Sink) call(ctx context.Context, operation string, body []byte) error {
	reply, err := s.client.Call(ctx, operation, body, nil)
	if err == nil && !object(reply) {
		return errForeign
	}
	return err
}

// outdated: the condition didn't hold.
func outdated(a *awsjson.Answer) bool { return a != nil && a.Code == codeCondition }
