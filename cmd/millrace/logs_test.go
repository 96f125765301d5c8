package main

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lines are what a logger of these options writes, without the time.
func lines(t *testing.T, o runOptions, log func(*slog.Logger)) []string {
	t.Helper()
	var text sharedBuffer
	l, flush, err := o.logger(&text)
	if err != nil {
		t.Fatal(err)
	}
	log(l)
	flush()
	flush()
	out := regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(strings.TrimSuffix(text.String(), "\n"), "")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

func TestRepeatedErrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := lines(t, runOptions{log: "text"}, func(l *slog.Logger) {
			a := l.With("connector", "a")
			for i := range 40 { // 32 in the first minute
				a.With("partition", i%3).Warn("failed", "error", errors.New("timeout"))
				time.Sleep(1900 * time.Millisecond)
			}
			synctest.Wait()
		})
		want := []string{}
		for i := range 5 {
			want = append(want, fmt.Sprintf("level=WARN msg=failed connector=a partition=%d error=timeout", i%3))
		}
		want = append(want, "level=WARN msg=failed connector=a partition=1 error=timeout repeated=27")
		for i := 32; i < 37; i++ {
			want = append(want, fmt.Sprintf("level=WARN msg=failed connector=a partition=%d error=timeout", i%3))
		}
		want = append(want, "level=WARN msg=failed connector=a partition=0 error=timeout repeated=3") // at the end
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestDifferentLinesAreAllWritten varies each thing that makes two lines differ, more often than repeats are written.
func TestDifferentLinesAreAllWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		got := lines(t, runOptions{log: "text"}, func(l *slog.Logger) {
			for i := range repeatsKept + 100 {
				l.Warn("failed", "error", fmt.Sprint("timeout of ", i))
				n++
			}
		})
		if len(got) != n {
			t.Errorf("%d errors, %d lines", n, len(got))
		}
		got = lines(t, runOptions{log: "text"}, func(l *slog.Logger) {
			for range repeatsLogged {
				l.Warn("failed", "error", "x")
				l.Error("failed", "error", "x")
				l.Warn("failing", "error", "x")
				l.With("connector", "a").Warn("failed", "error", "x")
				l.With("connector", "b").Warn("failed", "error", "x")
				l.With("error", "y").Warn("failed")
			}
			for range 50 {
				l.Info("assigned", "partition", 1) // no error
			}
		})
		if want := 6*repeatsLogged + 50; len(got) != want {
			t.Errorf("%d lines, want %d", len(got), want)
		}
	})
}

// TestLogLevels: contents need their own flag, whatever the level says, and the flag brings nothing else.
func TestLogLevels(t *testing.T) {
	for _, test := range []struct {
		o    runOptions
		want []string
	}{
		{runOptions{log: "text"}, []string{"level=INFO msg=b"}},
		{runOptions{log: "text", level: slog.LevelDebug - 8}, []string{"level=DEBUG msg=a", "level=INFO msg=b"}},
		{runOptions{log: "text", level: slog.LevelWarn, contents: true}, []string{"level=DEBUG-4 msg=c"}},
	} {
		got := lines(t, test.o, func(l *slog.Logger) {
			l.Debug("a")
			l.Info("b")
			l.Log(t.Context(), levelContents, "c")
			l.Log(t.Context(), levelContents-1, "d")
		})
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%+v: %q, want %q", test.o, got, test.want)
		}
	}
}

// TestLogsKeepToTheirLine: what others name or say doesn't make lines of its own.
func TestLogsKeepToTheirLine(t *testing.T) {
	for _, form := range []string{"text", "json"} {
		got := lines(t, runOptions{log: form}, func(l *slog.Logger) {
			l.With("topic", "a\r\nlevel=ERROR msg=made").Warn("failed\nlevel=INFO", "error", errors.New("b\r\nlevel=ERROR msg=up\u2028"), "key", "c\x1b[2J")
		})
		if len(got) != 1 || strings.ContainsAny(got[0], "\r\x1b") {
			t.Errorf("%s: %q", form, got)
		}
	}
}
