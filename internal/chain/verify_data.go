package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// findObjects lists what readers see. It keeps what may be an object of the chain, and where other chains' links are.
func (v *verifier) findObjects(ctx context.Context) error {
	prefixes := slices.Clone(v.o.Data)
	slices.Sort(prefixes)
	last, listed := "", false
	for _, prefix := range prefixes {
		if listed && strings.HasPrefix(prefix, last) {
			continue // listed already
		}
		last, listed = prefix, true
		err := v.list(ctx, prefix, func(key string) {
			if strings.HasPrefix(key, Folder+"/") || strings.Contains(key, "/"+Folder+"/") {
				v.foundLink(key)
				return
			}
			if _, _, ok := parseTail(key); ok || !v.o.Unique {
				v.visible[key] = ok
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) foundLink(key string) {
	if _, _, ok := ParseKey(key); ok && !strings.HasPrefix(key, v.root) {
		v.others[key] = true
	}
}

// unnamed reports the objects that no link names, of no chain.
func (v *verifier) unnamed(ctx context.Context) error {
	if err := v.sift(ctx); err != nil {
		return err
	}
	if len(v.visible) == 0 {
		return nil
	}
	if err := v.askOthers(ctx); err != nil {
		return err
	}
	keys := make([]string, 0, len(v.visible))
	for key := range v.visible {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	rows := make([]int64, len(keys)) // -1 if nobody can tell
	err := each(ctx, len(keys), func(ctx context.Context, i int) error {
		rows[i] = -1
		if v.opener == nil {
			return nil
		}
		t, err := v.read(ctx, keys[i])
		if errors.Is(err, ErrMissing) {
			return nil
		}
		if err == nil && t.damage == nil {
			rows[i] = t.rows
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, key := range keys {
		what := key
		if rows[i] >= 0 {
			what += fmt.Sprintf(" (%s)", plural(rows[i], "row"))
		}
		v.problem(Problem{Fault: FaultUnnamed, Key: key, Records: max(rows[i], 0),
			Text: what + " is not named by any link: readers see rows that the chain doesn't speak for"})
	}
	return nil
}

// sift keeps those of the visible objects that nobody has named and that can be the chain's.
func (v *verifier) sift(ctx context.Context) error {
	var ask []string
	for key, tail := range v.visible {
		seq, _, _ := parseTail(key)
		switch {
		case tail && seq < v.pruned: // its link expired
			delete(v.visible, key)
		case !tail && v.stater == nil: // nobody knows whose it is
			delete(v.visible, key)
		case !tail:
			ask = append(ask, key)
		}
	}
	foreign := make([]bool, len(ask))
	err := each(ctx, len(ask), func(ctx context.Context, i int) error {
		err := Try(ctx, func() error {
			info, err := v.stater.Stat(ctx, ask[i])
			foreign[i] = info.Tail == ""
			return err
		})
		if errors.Is(err, ErrMissing) {
			foreign[i] = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", ask[i], err)
		}
		return nil
	})
	for i, key := range ask {
		if foreign[i] {
			delete(v.visible, key)
		}
	}
	return err
}

// askOthers takes out what links of other chains name: they may write into the same folders.
func (v *verifier) askOthers(ctx context.Context) error {
	beside := strings.TrimSuffix(v.root, v.o.Chain+"/")
	if err := v.list(ctx, beside, v.foundLink); err != nil {
		return err
	}
	var keys []string
	for key := range v.others {
		keys = append(keys, key)
	}
	for chunk := range slices.Chunk(keys, verifyChunk) {
		links := make([]*Link, len(chunk))
		err := each(ctx, len(chunk), func(ctx context.Context, i int) error {
			body, err := v.get(ctx, chunk[i])
			if errors.Is(err, ErrMissing) {
				return nil
			}
			if err == nil {
				_, seq, _ := ParseKey(chunk[i])
				links[i], _ = DecodeLink(body, seq) // what is wrong there is found when that chain is verified
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, l := range links {
			for i := 0; l != nil && i < len(l.Objects); i++ {
				delete(v.visible, l.Objects[i].Key)
			}
		}
	}
	return nil
}

// compare holds the chains against Kafka. before is how Kafka was before the links were read.
func (v *verifier) compare(ctx context.Context, before []Log) error {
	if v.o.Logs == nil {
		return nil
	}
	after, err := v.o.Logs(ctx)
	if err != nil {
		return err
	}
	now := make(map[string]*Log, len(after))
	for i := range after {
		now[v.dirOf(&after[i])] = &after[i]
	}
	for i := range before {
		l := before[i]
		dir := v.dirOf(&l)
		if n := now[dir]; n != nil { // what may have grown meanwhile
			l.End = n.End
		}
		v.walks[dir].compare(&l)
	}
	for _, w := range v.sorted() {
		if w.p.Log == nil {
			v.note("Kafka has no partition %s (topic id %s, cluster %s) among those that the connector reads: it was deleted or created again, or isn't read any more", w.p.Name(), w.p.TopicID, w.p.Cluster)
		}
	}
	return nil
}

// compare holds the chain against the partition as it was before the links were read, but for End.
func (w *walk) compare(l *Log) {
	p := w.p
	p.Log = l
	last := w.want - 1
	hint := l.Hint
	if hint.Chain == w.v.o.Chain && hint.Dir == w.dir && hint.Seq > last {
		var r *Gap
		if from := max(w.next, 0); w.next >= 0 && l.Committed > from {
			r = &Gap{from, l.Committed}
		}
		records, offsets := int64(0), ""
		if r != nil {
			records, offsets = r.To-r.From, fmt.Sprintf(": offsets %s were written", span(r.From, r.To))
		}
		w.problem(FaultLost, linkKey(w.dir, last+1), r, records, "the end of the chain of partition %s is missing: its newest link is %d, and the group's offset %d was committed after link %d%s",
			p.Name(), last, l.Committed, hint.Seq, offsets)
		return
	}
	if w.next < 0 {
		p.Lag = l.End - l.Start
		return
	}
	p.Lag = max(l.End-max(w.next, l.Start), 0)
	switch {
	case w.next > l.End:
		w.problem(FaultKafka, "", &Gap{l.End, w.next}, 0, "the chain of partition %s goes on to offset %d, and Kafka's log ends at %d: Kafka lost records, and may give their offsets to others", p.Name(), w.next, l.End)
	case w.next < l.Start:
		w.problem(FaultLost, "", &Gap{w.next, l.Start}, l.Start-w.next, "offsets %s of partition %s are gone from Kafka, and no link speaks for them: they expired before they were read",
			span(w.next, l.Start), p.Name())
	}
}
