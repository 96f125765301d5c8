package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
)

// The tests of this file plant a canary in every secret setting of every plugin, found by reflection, and look for it in all that the
// process says. A new plugin or setting is planted without a change here; give it an entry in plainSettings if its defaults can't be opened.

// mark is in every canary. It is in nothing else.
const mark = "zq9vKw3mXt7R"

// leaks looks for a canary, or a piece of one, as it is or encoded.
func leaks(output string) (found string, ok bool) {
	lower := strings.ToLower(output)
	pieces := []string{mark[:8], mark[4:], hex.EncodeToString([]byte(mark))}
	for i := range 3 { // where a group of base64 may begin
		encoded := base64.StdEncoding.EncodeToString([]byte(mark[i:]))
		pieces = append(pieces, strings.TrimRight(encoded, "=")[:8])
	}
	for _, p := range pieces {
		if at := strings.Index(lower, strings.ToLower(p)); at >= 0 {
			return output[max(0, at-300):min(len(output), at+100)], true
		}
	}
	return "", false
}

func mustHide(t *testing.T, what, output string) {
	t.Helper()
	if found, ok := leaks(output); ok {
		t.Errorf("%s shows a canary: ...%s...", what, found)
	}
}

func TestCanariesInErrors(t *testing.T) {
	r := allPlugins()
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			for _, b := range beds(t, r, w) {
				for what, text := range spoil(b) {
					_, err := r.Parse("canary.yaml", []byte(text), config.OS())
					if err == nil {
						t.Errorf("%s, %s: no error in\n%s", b.spot, what, text)
						continue
					}
					mustHide(t, b.String()+", "+what, fmt.Sprintf("%v %+v %#v", err, err, err))
				}
			}
		})
	}
}

// spoil makes mistakes of every kind around the canary.
func spoil(b bed) map[string]string {
	name := b.path[len(b.path)-1]
	lines := strings.SplitAfter(b.text, "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, mark) })
	if at < 0 {
		at = slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), name+":") })
	}
	line := lines[at]
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	head, tail := strings.Join(lines[:at], ""), strings.Join(lines[at+1:], "")
	value := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), name+":"))
	spoiled := map[string]string{
		"an unknown setting of the connector": b.text + "nope: 1\n",
		"an unknown choice":                   strings.Replace(b.text, b.plugin+":\n", b.plugin+"x:\n", 1) + "nope: 1\n",
		"two choices":                         strings.Replace(b.text, "sink:\n", "sink:\n  other: 1\n", 1),
		"twice":                               b.text + b.text,
		"a syntax error at the end":           b.text + "a: b: c\n",
		"a setting twice":                     head + line + line + tail,
		"a tab":                               head + line + "\tx: y\n" + tail,
	}
	if strings.Contains(line, mark) {
		maps.Copy(spoiled, map[string]string{
			"a misspelled name":                head + indent + name[:len(name)-1] + ": " + value + "\n" + tail,
			"a list":                           head + indent + name + ": [" + value + "]\n" + tail,
			"a map":                            head + indent + name + ": {text: " + value + "}\n" + tail,
			"an unknown variable":              head + indent + name + ": \"${" + strings.Trim(value, `"`) + "}\"\n" + tail,
			"a default":                        head + indent + name + ": \"${NONE:-" + strings.Trim(value, `"`) + "}\"\n" + tail + "nope: 1\n",
			"an unknown setting below":         head + line + indent + "nope: 1\n" + tail,
			"an unknown setting above":         head + indent + "nope: 1\n" + line + tail,
			"a block, an unknown setting":      head + indent + name + ": |\n" + indent + "  " + strings.Trim(value, `"`) + "\n" + indent + "nope: 1\n" + tail,
			"a block, a syntax error":          head + indent + name + ": |\n" + indent + "  " + strings.Trim(value, `"`) + "\n" + indent + "a: b: c\n" + tail,
			"a syntax error below":             head + line + indent + "a: b: c\n" + tail,
			"a syntax error in it":             head + indent + name + ": x: " + value + "\n" + tail,
			"no end":                           head + indent + name + ": \"" + strings.Trim(value, `"`) + "\n" + tail,
			"a tag":                            head + indent + name + ": !" + strings.Trim(value, `"`) + "\n" + tail,
			"quotes":                           head + indent + name + ": \"\\\"" + strings.Trim(value, `"`) + "\"\n" + indent + "nope: 1\n" + tail,
			"one line":                         head + indent + name + ": {secret: x, text: " + value + "}\n" + tail,
			"in the place of the settings":     strings.Replace(b.text, "sink:\n", "sink: {redis_geo: "+value+"}\nsunk:\n", 1),
			"a brace that isn't closed":        head + indent + name + ": {text: " + value + "\n" + tail,
			"a duplicate in braces, same line": head + indent + "nope: {" + name + ": " + value + "}\n" + tail,
		})
	}
	return spoiled
}

func TestCanariesNeverShow(t *testing.T) {
	r := allPlugins()
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			var good strings.Builder
			for _, b := range beds(t, r, w) {
				path := write(t, b.text)
				for _, args := range [][]string{{"validate", path}, {"validate", "--json", path}} {
					_, out, errs := millrace(t, r, "", args...)
					mustHide(t, b.String()+": "+args[0], out+errs)
				}
				if b.valid {
					good.WriteString("---\n" + b.text)
					_, out, errs := millrace(t, r, `{"a": "x"}`+"\n", "preview", path)
					mustHide(t, b.String()+": preview", out+errs)
				}
			}
			f, err := r.Parse("good.yaml", []byte(good.String()), config.OS())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range f.Connectors {
				complete, err := c.Resolve(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []*config.Connector{c, complete} {
					mustHide(t, c.Name+": a dump", dump(c))
				}
			}
			mustHide(t, "logs and status", run(t, f))
		})
	}
}

// dump prints a connector and each of its parts in every way.
func dump(c *config.Connector) string {
	var b bytes.Buffer
	for _, v := range []any{c, *c, c.Source.Config, c.Sink.Config, c.DeadLetter.Config, c.Decode, c.Handlers, c.Overrides} {
		fmt.Fprintf(&b, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		_ = json.NewEncoder(&b).Encode(v) // what can't be encoded says so
		for _, log := range loggers(&b) {
			log.Info("dump", "value", v, slog.Group("group", "value", v))
		}
	}
	for _, h := range c.Handlers {
		fmt.Fprintf(&b, "%+v %#v\n", h.Config, h.Config)
	}
	return b.String()
}

func loggers(w io.Writer) []*slog.Logger {
	all := slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	return []*slog.Logger{slog.New(slog.NewTextHandler(w, &all)), slog.New(slog.NewJSONHandler(w, &all))}
}

// run runs the connectors until each has failed once, and returns what they logged and their status.
func run(t *testing.T, f *config.File) string {
	t.Helper()
	var mu sync.Mutex
	var said bytes.Buffer
	both := loggers(lockedWriter{&mu, &said})
	b := &board{}
	for _, c := range f.Connectors {
		b.runners = append(b.runners, &runner{config: c, log: slog.New(slog.NewMultiHandler(both[0].Handler(), both[1].Handler())),
			budget: connector.NewBudget(1 << 20), status: 10 * time.Millisecond})
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var all sync.WaitGroup
	for _, r := range b.runners {
		all.Go(func() { r.run(ctx) })
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var view []byte
	for waiting := true; waiting; {
		<-tick.C
		v := b.look()
		waiting = ctx.Err() == nil && slices.ContainsFunc(v.Connectors, func(c connectorView) bool { return c.Phase == phaseOpening && c.Failure == "" })
		var err error
		if view, err = json.MarshalIndent(v, "", " "); err != nil {
			t.Fatal(err)
		}
	}
	if ctx.Err() != nil {
		t.Errorf("not every connector failed in time: %s", view)
	}
	stop()
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	for _, r := range b.runners {
		fmt.Fprintf(&said, "%v %+v %#v\n", r.err, r.err, r.err)
	}
	return said.String() + string(view)
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// panicMode tells this test's own process, started again, how to end.
const panicMode, panicFile = "MILLRACE_TEST_PANIC", "MILLRACE_TEST_PANIC_FILE"

func TestCanariesInPanics(t *testing.T) {
	if mode := os.Getenv(panicMode); mode != "" {
		files, err := allPlugins().Load(os.Getenv(panicFile))
		if err != nil {
			t.Fatal(err)
		}
		panicWith(mode, files[0].Connectors)
	}
	var good strings.Builder
	for _, b := range beds(t, allPlugins(), ways(t)[0]) {
		if b.valid {
			good.WriteString("---\n" + b.text)
		}
	}
	path := write(t, good.String())
	for _, mode := range []string{"value", "error", "handler"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCanariesInPanics$", "-test.v")
			cmd.Env = append(os.Environ(), panicMode+"="+mode, panicFile+"="+path, "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("panic")) || !bytes.Contains(out, []byte("goroutine ")) {
				t.Fatalf("%v, without a panic: %.2000s", err, out)
			}
			mustHide(t, "a panic", string(out))
		})
	}
}

// panicWith panics with configurations in scope.
func panicWith(mode string, all []*config.Connector) {
	switch mode {
	case "value":
		panic(*all[0])
	case "error":
		panic(fmt.Errorf("%v", func() (out []string) {
			for _, c := range all {
				out = append(out, dump(c))
			}
			return out
		}()))
	}
	h := connector.HandlerFunc(func(context.Context, *connector.Batch) error {
		return fmt.Errorf("no such connector: %v", all[len(all)])
	})
	_ = h.Handle(context.Background(), nil)
}

// TestCanariesAreFound shows that these tests see what they look for.
func TestCanariesAreFound(t *testing.T) {
	for _, text := range []string{"x" + mark + "y", strings.ToUpper(mark), hex.EncodeToString([]byte("ab" + mark)), mark[:8] + "...", "..." + mark[4:],
		base64.StdEncoding.EncodeToString([]byte("user:" + canary("1"))), base64.StdEncoding.EncodeToString([]byte("usr:" + canary("1")))} {
		if _, ok := leaks(text); !ok {
			t.Errorf("%q wasn't found", text)
		}
	}
	if _, ok := leaks("nothing to see"); ok {
		t.Error("found where there is none")
	}
	var found []string
	for _, s := range spots(plugins()) {
		found = append(found, s.String())
	}
	for _, want := range []string{"handler mask: fields.value.a.key"} {
		if !slices.Contains(found, want) {
			t.Errorf("%q wasn't planted; found\n%s", want, strings.Join(found, "\n"))
		}
	}
}
