package config

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The plugins of the tests: one of each kind, with every type of setting.

type queueConfig struct {
	Brokers []string           `yaml:"brokers"`
	Topics  []string           `yaml:"topics"`
	Group   string             `yaml:"group"`
	Pass    secret.Text        `yaml:"pass"`
	Wait    connector.Duration `yaml:"wait"`
	TLS     *tlsConfig         `yaml:"tls"`
}

type tlsConfig struct {
	CA string `yaml:"ca"`
}

func (c queueConfig) Validate() error {
	if len(c.Topics) == 0 {
		return errors.New("topics: name at least one topic")
	}
	return nil
}

func (c queueConfig) Open(context.Context) (*queue, error) { return &queue{config: c}, nil }

type queue struct {
	connector.Consumer
	config queueConfig
	closed bool
}

func (q *queue) Close(context.Context) error { q.closed = true; return nil }

type limits struct {
	Records int             `yaml:"records"`
	Size    connector.Bytes `yaml:"size"`
}

type storeConfig struct {
	Key    string            `yaml:"key" kind:"template"`
	Lng    string            `yaml:"lng" kind:"rule"`
	Strict bool              `yaml:"strict"`
	Ratio  float64           `yaml:"ratio"`
	Limits limits            `yaml:"limits"`
	Tags   []string          `yaml:"tags"`
	Ports  []int             `yaml:"ports"`
	Labels map[string]string `yaml:"labels"`
}

func defaultStore() storeConfig {
	return storeConfig{Ratio: 0.5, Limits: limits{Records: 1000, Size: 1 << 20}, Tags: []string{"default"}}
}

func (c storeConfig) Validate() error {
	var errs []error
	if c.Lng == "" {
		errs = append(errs, errors.New("lng: say where the longitude is, such as value.lng"))
	}
	if c.Limits.Records < 1 {
		errs = append(errs, errors.New("limits.records: at least 1"))
	}
	if c.Limits.Size < 1 {
		errs = append(errs, errors.New("limits.size: at least 1 byte"))
	}
	return errors.Join(errs...)
}

func (c storeConfig) Open(context.Context) (*store, error) {
	if c.Key == "down" {
		return nil, errors.New("connection refused")
	}
	return &store{config: c}, nil
}

type store struct {
	config storeConfig
	closed int
}

func (*store) Load(context.Context, *connector.Batch) error { return nil }
func (s *store) Close() error                               { s.closed++; return nil }

type onlyConfig struct {
	Rule string `yaml:"rule" kind:"rule" short:"true"`
}

func (c onlyConfig) Validate() error { return nil }
func (c onlyConfig) Open(context.Context) (connector.Handler, error) {
	return connector.HandlerFunc(func(context.Context, *connector.Batch) error { return nil }), nil
}

type pair struct {
	Name string `yaml:"name" key:"true"`
	Rule string `yaml:"rule" kind:"rule" short:"true"`
}

type mapConfig struct {
	Fields []pair `yaml:"fields" short:"true"`
}

func (c mapConfig) Validate() error { return nil }
func (c mapConfig) Open(context.Context) (connector.Handler, error) {
	return connector.HandlerFunc(func(context.Context, *connector.Batch) error { return nil }), nil
}

type plainConfig struct{}

func (plainConfig) Validate() error                             { return nil }
func (plainConfig) Open(context.Context) (serde.Decoder, error) { return nopDecoder{}, nil }

type nopDecoder struct{ serde.Decoder }

type graveConfig struct {
	Topic string `yaml:"topic" short:"true"`
}

func (graveConfig) Validate() error { return nil }

type grave struct{ brokers, name string }

func (grave) Bury(context.Context, []connector.Failure) error { return nil }

func testRegistry() *Registry {
	plain := func() plainConfig { return plainConfig{} }
	return NewRegistry(
		Source("queue", func(name string) queueConfig { return queueConfig{Group: name, Wait: connector.Duration(time.Second)} }),
		Loader("store", defaultStore),
		Loader("vault", defaultVault),
		Handler("sign", func() signConfig { return signConfig{} }),
		Secrets(testStore),
		Loader("devnull", func() *storeConfig { c := defaultStore(); c.Lng = "0"; return &c }),
		Handler("only", func() onlyConfig { return onlyConfig{} }),
		Handler("map", func() mapConfig { return mapConfig{} }),
		Decoder("json", plain), Decoder("string", plain), DecoderOf("avro", func() avroConfig { return avroConfig{} }, avroConfig.New),
		DeadLetterBeside("grave", func() graveConfig { return graveConfig{} },
			func(_ context.Context, c graveConfig, s queueConfig, name string) (grave, error) {
				return grave{strings.Join(s.Brokers, ","), name}, nil
			}),
	)
}

var testEnv = Environment{
	Lookup: func(name string) (string, bool) {
		v, ok := map[string]string{"HOSTS": "a:1, b:2", "EMPTY": "", "RULE": "true"}[name]
		return v, ok
	},
	ReadFile: func(path string) ([]byte, error) {
		if path == "/run/pass" {
			return []byte("from a file\n"), nil
		}
		return nil, os.ErrNotExist
	},
}

// sameTexts compares what is read.
func sameTexts(t *testing.T) cmp.Option {
	return cmp.Comparer(func(a, b secret.Text) bool {
		x, errX := a.Read(t.Context())
		y, errY := b.Read(t.Context())
		return errX == nil && errY == nil && x == y
	})
}

func parseText(t *testing.T, text string) *File {
	t.Helper()
	f, err := testRegistry().Parse("test.yaml", []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := parseText(t, `
name: one
source: {queue: {brokers: "${HOSTS}", topics: cars, pass: {file: /run/pass}, tls: {ca: ca.pem}, wait: 1h30m}}
handlers:
- only: value.lat != 0 && value.lng != 0
- only: {rule: "!value.bad"}
- map: {b: value.b, a: "'${RULE}'"}
sink:
  store: {key: "cars#${NONE:-gps}$${x}", lng: value.lng, strict: true, ratio: 2, limits: {size: 2MiB}, tags: [], ports: "1, 2", labels: {x: "y,z"}}
overrides:
- {topics: "cars*", sink: {store: {limits: {records: 7}}}}
- topics: [a, b]
  handlers: []
dead_letter: {grave: dlq}
on_gap: latest
breaker: {share: 2.5%, records: 500}
max_record: 1MiB
commit_interval: 5s
---
# nothing
---
---
name: two
source: {queue: {topics: [x]}}
sink: devnull
`)
	if len(f.Connectors) != 2 {
		t.Fatalf("%d connectors", len(f.Connectors))
	}
	store := defaultStore()
	store.Key, store.Lng, store.Strict, store.Ratio = "cars#gps${x}", "value.lng", true, 2
	store.Limits.Size, store.Tags, store.Ports, store.Labels = 2<<20, []string{}, []int{1, 2}, map[string]string{"x": "y,z"}
	cars := store
	cars.Limits.Records = 7
	choice := func(name string, c any) Choice { return Choice{Name: name, Config: c} }
	want := &Connector{
		Name: "one",
		Source: choice("queue", &queueConfig{Brokers: []string{"a:1", "b:2"}, Topics: []string{"cars"}, Group: "one", Pass: secret.New("from a file"),
			Wait: connector.Duration(90 * time.Minute), TLS: &tlsConfig{CA: "ca.pem"}}),
		Decode: Decode{Key: choice("string", &plainConfig{}), Value: choice("json", &plainConfig{})},
		Handlers: []Choice{
			choice("only", &onlyConfig{Rule: "value.lat != 0 && value.lng != 0"}),
			choice("only", &onlyConfig{Rule: "!value.bad"}),
			choice("map", &mapConfig{Fields: []pair{{"b", "value.b"}, {"a", "'${RULE}'"}}}),
		},
		Sink: choice("store", &store),
		Overrides: []Override{
			{Topics: []string{"cars*"}, Sink: &Choice{Name: "store", Config: &cars}},
			{Topics: []string{"a", "b"}, Handlers: &[]Choice{}},
		},
		DeadLetter: choice("grave", &graveConfig{Topic: "dlq"}),
		OnGap:      connector.GapLatest,
		Breaker:    &Breaker{Share: 0.025, Least: 10, Records: 500, Window: connector.Duration(time.Minute)},
		MaxRecord:  1 << 20, CommitInterval: connector.Duration(5 * time.Second), DrainTimeout: connector.Duration(20 * time.Second),
	}
	if diff := cmp.Diff(want, f.Connectors[0], cmpopts.IgnoreUnexported(Choice{}), sameTexts(t)); diff != "" {
		t.Error(diff)
	}
	two := f.Connectors[1]
	if two.Name != "two" || two.Sink.Name != "devnull" || two.DeadLetter.Name != "none" || two.OnGap != connector.GapFail || two.MaxRecord != 8<<20 {
		t.Errorf("%+v", two)
	}
	if q := two.Source.Config.(*queueConfig); q.Group != "two" {
		t.Errorf("the group is %q, want the connector's name", q.Group)
	}
}

// TestMistakes compares what is said of each wrong file with a golden file.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = testRegistry().Parse(filepath.Base(file), data, testEnv)
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("%T %v, want Problems", err, err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), ps.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestColons reads lists of addresses as they are usually written; the parser itself makes maps of some.
func TestColons(t *testing.T) {
	for text, want := range map[string][]string{
		"[a:1, 'b:2', c-3.d:4]":   {"a:1", "b:2", "c-3.d:4"},
		"[http://x:1/, a:b:c]":    {"http://x:1/", "a:b:c"},
		"[12:30, -1:2, true:1]":   {"12:30", "-1:2", "true:1"},
		"[ a:1 ,\n    b:2 ]":      {"a:1", "b:2"},
		"[\"${NONE:-a:1}\", b:2]": {"a:1", "b:2"},
		"a:1":                     {"a:1"},
	} {
		f := parseText(t, "name: a\nsource: {queue: {topics: [x], brokers: "+text+"}}\nsink: devnull\n")
		if got := f.Connectors[0].Source.Config.(*queueConfig).Brokers; !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
	_, err := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: [x], brokers: [a: 1]}}\nsink: devnull\n"), testEnv)
	if err == nil || !strings.Contains(err.Error(), "brokers is a text, not a map") {
		t.Errorf("%v", err)
	}
}

// TestNothingIsLost reads what the parser alone would drop without a word.
func TestNothingIsLost(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nsource: {queue: {topics: x}}\nsink: {store: {lng: 1}}\nmax_record: !1MiB": "YAML reads !1MiB as a tag",
		"name: a\nsource: {queue: {topics: x}}\nsink: >devnull":                             "invalid header option",
		"name: a\nsource: {queue: {topics: x}}\nsink: devnull\non_gap: newest\n":            `4:9: on_gap is fail, earliest or latest, not "newest"`,
		"---\n---\nname: a\n": `needs the setting "sink"`,
	} {
		if _, err := testRegistry().Parse("x.yaml", []byte(text), testEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSecretsNeverShow(t *testing.T) {
	for _, text := range []string{
		"name: a\nsource: {queue: {topics: x, pass: hunter2, nope: 1}}\nsink: devnull\n",
		"name: a\nsource: {queue: {topics: x, nope: 1, pass: \"hunter2\"}}\nsink: devnull\n",
		"name: a\npassword: hunter2\nnope: 1\n",
		"name: a\nsource: {other: {db_password: hunter2}}\nsink: devnull\n",
		"api_token: 'hunter2'\nname: a: b\n",
		"name: a\nsource:\n  queue:\n    topics: x\n    pass: |\n      hunter2\n    nope: 1\nsink: devnull\n",
		"name: a\nsource:\n  queue:\n    pass: hunter2\n    x: y: z\n",
		"name: a\nsource:\n  queue:\n    pass: |\n      x\n      hunter2\n    x: y: z\n",
		"name: a\nsource: {queue: {pass: \"hunter2}}\n",
		"name: a\nsource: {queue: {topics: x, pass: \"hunter2\\\"hunter2\", nope: 1}}\n",
		"name: a\nhandlers:\n- sgin: {key: hunter2}\n- only: {rule: a}\n",
		"name: a\nsource: {queue: {pass: {text: hunter2}}}\n",
	} {
		_, err := testRegistry().Parse("x.yaml", []byte(text), testEnv)
		if err == nil {
			t.Fatalf("%q: no error", text)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("shown: %v", err)
		}
	}
}

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"size":     strings.Repeat("# 3456\n", maxFile/7+1),
		"brackets": "name: " + strings.Repeat("[", 100_000),
		"maps":     "name: " + strings.Repeat("{a: ", 100_000),
		"dashes":   strings.Repeat("- ", 100_000),
		"aliases": func() string {
			var b strings.Builder
			b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
			for i := 1; i < 12; i++ {
				p := "*a" + string(rune('0'+(i-1)%10))
				b.WriteString("b" + string(rune('a'+i)) + ": &a" + string(rune('0'+i%10)) + " [" + strings.Repeat(p+", ", 9) + p + "]\n")
			}
			return b.String()
		}(),
		"documents": strings.Repeat("---\n", 2000),
		"utf8":      "name: \xff\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testRegistry().Parse("x.yaml", []byte(text), testEnv)
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("%v", err)
			}
			if len(err.Error()) > 10_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestOpen(t *testing.T) {
	f := parseText(t, `
name: one
source: {queue: {brokers: [a], topics: [x]}}
sink: {store: {lng: value.lng}}
overrides:
- {topics: same, sink: {store: {lng: value.lng}}}
- {topics: other, sink: {store: {lng: value.x}}}
dead_letter: {grave: {topic: dlq}}
`)
	o := &opening{origin: origin{connector: "one", source: f.Connectors[0].Source.Config}}
	_, to, err := o.parts(t.Context(), f.Connectors[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(o.sinks) != 2 {
		t.Errorf("%d sinks were opened, want 2: one for equal settings", len(o.sinks))
	}
	if err := o.opened.Close(); err != nil || to.loader.(*store).closed != 1 {
		t.Errorf("closed %d times, %v", to.loader.(*store).closed, err)
	}
	dead, err := openAs[connector.DeadLetter](t.Context(), o, f.Connectors[0].DeadLetter)
	if want := (grave{"a", "one"}); err != nil || dead != want {
		t.Errorf("%+v, %v; want %+v", dead, err, want)
	}
}

// A plan is the same for what makes the same rows, and another for anything that may make others.
func TestPlan(t *testing.T) {
	const base = `
name: one
source: {queue: {brokers: [a], topics: [x]}}
handlers: [{only: value.a}, {sign: {key: k1}}]
sink: {locked: {pass: p1, path: a/}}
overrides:
- {topics: other, handlers: [{sign: {key: k3}}]}
`
	r := testRegistry()
	r = NewRegistry(append(r.plugins,
		Loader("locked", func() lockedConfig { return lockedConfig{} }))...)
	plan := func(text, build string) string {
		f, err := r.Parse("x.yaml", []byte(text), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return f.Connectors[0].plan(build)
	}
	want := plan(base, "v1")
	if len(want) != 32 {
		t.Errorf("the plan is %q, want 32 hex digits", want)
	}
	for change, same := range map[string]bool{
		"":                               true,
		"name: one > name: two":          true,
		"brokers: [a] > brokers: [b]":    true,
		"pass: p1 > pass: p2":            true,
		"path: a/ > path: b/":            false,
		"value.a > value.b":              false,
		"key: k1 > key: k2":              false,
		"key: k3 > key: k4":              false,
		"topics: other > topics: others": false,
		"overrides: > max_record: 1MiB\noverrides:":            false,
		"overrides: > decode: {value: string}\noverrides:":     false,
		"sink: {locked: {pass: p1, path: a/}} > sink: devnull": false,
	} {
		from, to, _ := strings.Cut(change, " > ")
		if got := plan(strings.Replace(base, from, to, 1), "v1"); (got == want) != same {
			t.Errorf("%q: the plan is the same: %t, want %t", change, got == want, same)
		}
	}
	if plan(base, "v2") == want {
		t.Error("another build has the same plan")
	}
}

type signConfig struct {
	Key secret.Text `yaml:"key"`
}

func (c signConfig) Validate() error { return nil }
func (c signConfig) Open(context.Context) (connector.Handler, error) {
	return connector.HandlerFunc(func(context.Context, *connector.Batch) error { return nil }), nil
}

type lockedConfig struct {
	Pass secret.Text `yaml:"pass"`
	Path string      `yaml:"path"`
}

func (c lockedConfig) Validate() error                      { return nil }
func (c lockedConfig) Open(context.Context) (*store, error) { return &store{}, nil }

// What a file says of gaps, and its plan, reach the sink.
func TestOpenHandsOverPolicyAndPlan(t *testing.T) {
	log := connectortest.NewLog()
	p := connector.Partition{Topic: "x"}
	log.SetCommitted(connector.Offset{Partition: p, At: 9})
	log.Recreate(p)
	shelf := &shelf{assigned: make(chan connector.Assignment, 1)}
	consumer := connectortest.NewConsumer(log)
	r := NewRegistry(append(testRegistry().plugins,
		Source("script", func(string) scriptConfig { return scriptConfig{consumer: consumer} }),
		Stager("shelf", func() shelfConfig { return shelfConfig{shelf: shelf} }))...)
	f, err := r.Parse("x.yaml", []byte("name: one\nsource: script\nsink: shelf\non_gap: earliest\n"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	conn, closer, err := f.Connectors[0].Open(t.Context(), connector.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- conn.Run(ctx) }()
	for !consumer.Notified() {
		runtime.Gosched()
	}
	consumer.Assign(p)
	var a connector.Assignment
	select {
	case a = <-shelf.assigned:
	case <-time.After(10 * time.Second):
	}
	if a.Connector != "one" || a.Plan != f.Connectors[0].plan(thisBuild()) || a.Plan == "" || a.Committed != -1 {
		t.Errorf("recovered with %+v", a)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type scriptConfig struct{ consumer connector.Consumer }

func (c scriptConfig) Validate() error                                  { return nil }
func (c scriptConfig) Open(context.Context) (connector.Consumer, error) { return c.consumer, nil }

type shelfConfig struct{ shelf *shelf }

func (c shelfConfig) Validate() error                      { return nil }
func (c shelfConfig) Open(context.Context) (*shelf, error) { return c.shelf, nil }

type shelf struct {
	connector.Stager
	assigned chan connector.Assignment
}

func (*shelf) Rotation(string) connector.Rotation { return connector.Rotation{} }
func (s *shelf) Recover(_ context.Context, a connector.Assignment) (connector.Position, error) {
	s.assigned <- a
	return connector.Position{}, nil
}

func TestOpenFails(t *testing.T) {
	f := parseText(t, "name: one\nsource: {queue: {topics: [x]}}\nsink: {store: {key: down, lng: a}}\n")
	_, closer, err := f.Connectors[0].Open(t.Context())
	if err == nil || closer != nil || !strings.Contains(err.Error(), "connector one: open sink store: connection refused") {
		t.Errorf("%v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	good := "source: {queue: {topics: [x]}}\nsink: devnull\n"
	for name, text := range map[string]string{"a.yaml": "name: a\n" + good, "b.yaml": "name: a\n" + good, "c.yaml": good} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := testRegistry()
	if fs, err := r.Load(filepath.Join(dir, "a.yaml")); err != nil || len(fs) != 1 {
		t.Error(fs, err)
	}
	_, err := r.Load(filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml"), filepath.Join(dir, "c.yaml"), filepath.Join(dir, "d.yaml"))
	for _, want := range []string{`a connector "a" stands in`, `c.yaml:1:1: a connector needs the setting "name"`, "d.yaml: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestExpand(t *testing.T) {
	for in, want := range map[string]string{
		"plain $HOSTS {x} $$": "plain $HOSTS {x} $$",
		"${EMPTY}":            "",
		"${EMPTY:-x}":         "x",
		"${NONE:-}":           "",
		"${NONE:-a:-b}":       "a:-b",
		"$${HOSTS} ${RULE}":   "${HOSTS} true",
		"${":                  `error: "${" without "}"; write $${ for the two characters themselves`,
		"${NONE}":             "error: the environment variable NONE isn't set; set it, or give a default: ${NONE:-...}",
		"${1X}":               "error: ${1X} isn't the name of an environment variable; write $${ for the two characters themselves",
		"${}":                 "error: ${} isn't the name of an environment variable; write $${ for the two characters themselves",
	} {
		got, err := testEnv.expand(in)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"addrs", "member", "redis_geo", "file"}
	for wrong, want := range map[string]string{
		"memeber": "member", "redisgeo": "redis_geo", "redis-geo": "redis_geo", "addr": "addrs", "fil": "file", "fiel": "file", "s3": "", "zzzzzz": "",
	} {
		got := suggest(wrong, known, "it has")
		if want == "" && !strings.HasPrefix(got, "; it has addrs, file") || want != "" && got != `; did you mean "`+want+`"?` {
			t.Errorf("%s: %s", wrong, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("name: a\nsource: {queue: {topics: [x]}}\nsink: devnull\n"))
	r := testRegistry()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := r.Parse("f.yaml", data, testEnv)
		again, errAgain := r.Parse("f.yaml", bytes.Clone(data), testEnv)
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("%v, then %v", err, errAgain)
		}
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("%T", err)
			}
			for _, p := range ps {
				if p.Line > bytes.Count(data, []byte("\n"))+1 || p.Line > 0 && p.Column < 1 {
					t.Fatalf("a place outside the file: %d:%d", p.Line, p.Column)
				}
			}
			return
		}
		if len(file.Connectors) == 0 || len(file.Connectors) != len(again.Connectors) {
			t.Fatal("no connectors and no error")
		}
		for i, c := range file.Connectors {
			if c.Name == "" || c.Source.plugin == nil || c.Sink.plugin == nil {
				t.Fatalf("%+v was accepted", c)
			}
			if !reflect.DeepEqual(c.Sink.Config, again.Connectors[i].Sink.Config) {
				t.Fatal("read twice, not the same")
			}
		}
	})
}
