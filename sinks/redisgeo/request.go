package redisgeo

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
)

const (
	membersPerCommand = 1000
	membersPerScript  = 500 // a member costs Redis about four times as much in the script
)

// A request is one command for one set.
type request struct {
	cmd once
	set int32
}

// once is a command that go-redis doesn't send again, whatever the reply: retrying is the Connector's
// work. It still follows the redirections of a cluster.
type once struct{ *redis.IntCmd }

func (once) NoRetry() bool { return true }

// send writes all rows, and leaves in each set what Redis said.
func (s *Sink) send(ctx context.Context, b *connector.Batch, rs *rows) {
	rs.strings = slices.Grow(rs.strings[:0], 6*len(rs.list)) // never moved: args point into it
	rs.args, rs.todo = rs.args[:0], rs.todo[:0]
	text := string(rs.text)
	for at := range rs.sets {
		switch {
		case rs.sets[at].rows == 0:
		case s.scripted():
			s.addScripts(ctx, rs, int32(at), text, b.Source())
		default:
			rs.addCommands(ctx, int32(at), text)
		}
	}
	s.exec(ctx, rs.todo)
	s.execUnknownScripts(ctx, rs.todo)
	for _, r := range rs.todo {
		set := &rs.sets[r.set]
		if err := r.cmd.Err(); err != nil && set.err == nil {
			set.err = s.login.classify(fmt.Errorf("write to the geo set %q: %w", set.key, err))
		}
	}
}

// exec sends the requests: to each node of a cluster in one pipeline, to a single one in their order.
func (s *Sink) exec(ctx context.Context, todo []request) {
	if len(todo) == 1 {
		_ = s.client.Process(ctx, todo[0].cmd) // the error stays in the command
		return
	}
	pipe := s.client.Pipeline()
	for _, r := range todo {
		_ = pipe.Process(ctx, r.cmd) // queues it
	}
	_, _ = pipe.Exec(ctx)
}

// addCommands adds a GEOADD of the set's members to write and a ZREM of those to remove.
func (rs *rows) addCommands(ctx context.Context, at int32, text string) {
	set := &rs.sets[at]
	for _, remove := range []bool{false, true} {
		begin, members := len(rs.args), 0
		flush := func() {
			if members > 0 {
				rs.add(ctx, at, rs.args[begin:len(rs.args):len(rs.args)])
			}
			begin, members = len(rs.args), 0
		}
		for n := set.first; n >= 0; n = rs.list[n].next {
			row := &rs.list[n]
			if row.removes() != remove {
				continue
			}
			if members == membersPerCommand {
				flush()
			}
			switch {
			case members > 0:
			case remove:
				rs.args = append(rs.args, "zrem", set.key)
			default:
				rs.args = append(rs.args, "geoadd", set.key)
			}
			if !remove {
				rs.arg(text[row.longitude.from:row.longitude.to])
				rs.arg(text[row.latitude.from:row.latitude.to])
			}
			rs.arg(text[row.member.from:row.member.to])
			members++
		}
		flush()
	}
}

func (x *row) removes() bool { return x.longitude == span{} }

func (rs *rows) add(ctx context.Context, at int32, args []any) {
	rs.todo = append(rs.todo, request{once{redis.NewIntCmd(ctx, args...)}, at})
}

func (rs *rows) arg(s string) {
	rs.strings = append(rs.strings, s)
	rs.args = append(rs.args, &rs.strings[len(rs.strings)-1])
}
