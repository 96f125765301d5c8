package redisgeo

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
)

// writeScript needs Redis 5 or newer: it asks for the time and writes afterwards.
//
//go:embed write.lua
var writeScript string

// writeSHA is what Redis calls the script by.
var writeSHA = func() string {
	sum := sha1.Sum([]byte(writeScript)) // what EVALSHA takes; no secret hangs on it
	return hex.EncodeToString(sum[:])
}()

// sweptPerCall bounds the silent members that one call of the script drops. It isn't less than a call can add.
const sweptPerCall = membersPerScript

// scripted reports that plain commands aren't enough.
func (s *Sink) scripted() bool { return s.newest || s.expire > 0 }

// addScripts adds the calls of the script for a set.
func (s *Sink) addScripts(ctx context.Context, rs *rows, at int32, text string, source *connector.Source) {
	set := &rs.sets[at]
	head := s.scriptHead(set.key, source)
	begin, members := len(rs.args), 0
	for n := set.first; n >= 0; n = rs.list[n].next {
		row := &rs.list[n]
		if members == 0 {
			begin = len(rs.args)
			rs.args = append(rs.args, head...)
		}
		rs.arg(text[row.member.from:row.member.to])
		rs.arg(text[row.longitude.from:row.longitude.to])
		rs.arg(text[row.latitude.from:row.latitude.to])
		if s.newest {
			rs.arg(text[row.offsetText.from:row.offsetText.to])
			rs.arg(strconv.Itoa(int(row.index)))
			rs.arg(text[row.order.from:row.order.to])
		}
		members++
		if members == membersPerScript || row.next < 0 {
			rs.add(ctx, at, rs.args[begin:len(rs.args):len(rs.args)])
			members = 0
		}
	}
	if s.sweeper != nil {
		s.sweeper.note(set.key)
	}
}

// scriptHead is a call of the script without members. source is nil where none follow.
func (s *Sink) scriptHead(key string, source *connector.Source) []any {
	origin := ""
	if s.newest && source != nil {
		origin = hex.EncodeToString(source.TopicID[:]) + "-" + strconv.Itoa(int(source.ID))
	}
	return []any{
		"evalsha", writeSHA, "3", key, companion(key, versionsSuffix), companion(key, seenSuffix),
		origin, strconv.FormatInt(s.expire.Milliseconds(), 10), strconv.Itoa(sweptPerCall),
	}
}

// execUnknownScripts sends the script itself to nodes that don't know it: new ones, or such that have started
// again. That isn't a retry, as they have done nothing yet.
func (s *Sink) execUnknownScripts(ctx context.Context, todo []request) {
	var unknown []request
	var at []int
	for i, r := range todo {
		if err := r.cmd.Err(); err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
			continue
		}
		args := r.cmd.Args()
		args[0], args[1] = "eval", writeScript
		unknown = append(unknown, request{once{redis.NewIntCmd(ctx, args...)}, r.set})
		at = append(at, i)
	}
	if len(unknown) == 0 {
		return
	}
	s.exec(ctx, unknown)
	for k, i := range at {
		todo[i] = unknown[k]
	}
}
