package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
)

// A vaultConfig has every place that a secret can stand in.
type vaultConfig struct {
	Client   string             `yaml:"client"`
	Hosts    []string           `yaml:"hosts"`
	Ports    []int              `yaml:"ports"`
	Wait     connector.Duration `yaml:"wait"`
	Password secret.Text        `yaml:"password"`
	Auth     vaultAuth          `yaml:"auth" oneof:"none"`
	Level    level              `yaml:"level"`
}

type level string

type vaultAuth struct {
	TLS   *tlsConfig  `yaml:"tls"`
	Login *vaultLogin `yaml:"login"`
	Both  *vaultBoth  `yaml:"both"`
}

type vaultLogin struct {
	User     string      `yaml:"user" short:"true"`
	Password secret.Text `yaml:"password"`
	Rule     string      `yaml:"rule" kind:"rule"`
}

type vaultBoth struct {
	tlsConfig `yaml:",inline"`
	Login     *vaultLogin `yaml:"login"`
}

func defaultVault() vaultConfig {
	return vaultConfig{Client: "millrace", Auth: vaultAuth{TLS: &tlsConfig{CA: "system"}}}
}

func (c vaultConfig) Validate() error {
	var errs []error
	if strings.HasPrefix(c.Client, "bad") {
		errs = append(errs, fmt.Errorf("client is %q; it must not begin with bad", c.Client))
	}
	if strings.Contains(c.Client, "://") {
		_, rest, _ := strings.Cut(c.Client, "://")
		errs = append(errs, fmt.Errorf("client: %s has no port", rest))
	}
	for _, h := range c.Hosts {
		if strings.HasPrefix(h, "bad") {
			errs = append(errs, fmt.Errorf("hosts: %s isn't a host", h))
		}
	}
	if c.Auth.Login != nil && c.Auth.Login.User == "" {
		errs = append(errs, errors.New("auth.login.user is empty"))
	}
	return errors.Join(errs...)
}

func (c vaultConfig) Open(context.Context) (*store, error) { return &store{}, nil }

type avroConfig struct {
	Key secret.Text `yaml:"key"`
}

func (c avroConfig) Validate() error {
	if text, known := c.Key.Known(); !known || text == "" {
		return errors.New("key isn't known")
	}
	return nil
}
func (avroConfig) New() (serde.Decoder, error) { return nopDecoder{}, nil }

// testStore holds secrets by name and field.
var testStore = memoryStore{
	"db.password": "canary-1", "db.user": "reader", "db.": `{"user":"reader"}`, "hosts.": "a:1, b:2", "hosts.json": ` {"endpoint": "a", "port": "1"}`,
	"client.id": "c-7", "client.bad": "bad-client", "client.url": "https://canary/x", "hosts.bad": "good:1, bad-host:2", "port.": "9096", "port.bad": "90a6", "wait.": "5s", "wait.bad": "5 canaries",
	"key.hmac": "0123456789abcdef",
}

type memoryStore map[string]string

func (s memoryStore) Secret(name, field, region string) (secret.Source, error) {
	if strings.Contains(name, " ") {
		return nil, fmt.Errorf("%q is no secret", name)
	}
	return memorySource{s, name, field, region}, nil
}

type memorySource struct {
	store               memoryStore
	name, field, region string
}

func (m memorySource) Read(context.Context, string) (string, error) {
	if text, ok := m.store[m.name+"."+m.field]; ok {
		return text, nil
	}
	return "", connector.Systemic.Errorf("there is no secret %s", m.name)
}

func (m memorySource) String() string {
	if m.field == "" {
		return "secret " + m.name
	}
	return "secret " + m.name + ", field " + m.field
}

func vaultOf(t *testing.T, settings string) *Connector {
	t.Helper()
	return parseText(t, "name: a\nsource: {queue: {topics: [x]}}\nsink: {vault: "+settings+"}\n").Connectors[0]
}

// Texts of secrets are put in before the sink is opened; those of secret settings stay where they are.
func TestResolve(t *testing.T) {
	for settings, want := range map[string]func(*vaultConfig){
		`{client: {secret: client, field: id}}`:                         func(c *vaultConfig) { c.Client = "c-7" },
		`{client: {secret: "${NONE:-client}", field: id, region: x-1}}`: func(c *vaultConfig) { c.Client = "c-7" },
		`{hosts: {secret: hosts}}`:                                      func(c *vaultConfig) { c.Hosts = []string{"a:1", "b:2"} },
		`{hosts: {secret: hosts, field: json}}`:                         func(c *vaultConfig) { c.Hosts = []string{testStore["hosts.json"]} },
		`{hosts: [z, {secret: client, field: id}]}`:                     func(c *vaultConfig) { c.Hosts = []string{"z", "c-7"} },
		`{ports: {secret: port}}`:                                       func(c *vaultConfig) { c.Ports = []int{9096} },
		`{wait: {secret: wait}}`:                                        func(c *vaultConfig) { c.Wait = connector.Duration(5e9) },
		`{level: {secret: client, field: id}}`:                          func(c *vaultConfig) { c.Level = "c-7" },
		`{password: {secret: db, field: password}}`:                     func(c *vaultConfig) { c.Password = secret.New("canary-1") },
		`{password: {file: /run/pass}}`:                                 func(c *vaultConfig) { c.Password = secret.New("from a file") },
		`{client: {file: /run/pass}}`:                                   func(c *vaultConfig) { c.Client = "from a file" },
		`{auth: {login: {user: {secret: db, field: user}, password: {secret: db, field: password}}}}`: func(c *vaultConfig) {
			c.Auth = vaultAuth{Login: &vaultLogin{User: "reader", Password: secret.New("canary-1")}}
		},
		`{client: &c {secret: client, field: id}, hosts: [*c, *c]}`: func(c *vaultConfig) { c.Client, c.Hosts = "c-7", []string{"c-7", "c-7"} },
	} {
		t.Run(settings, func(t *testing.T) {
			want := func() *vaultConfig { c := defaultVault(); want(&c); return &c }()
			c := vaultOf(t, settings)
			got, err := c.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Sink.Config, sameTexts(t)); diff != "" {
				t.Error(diff)
			}
			if again, err := c.Resolve(t.Context()); err != nil || !reflect.DeepEqual(again.Sink.Config, got.Sink.Config) {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

func TestPlaceholders(t *testing.T) {
	c := vaultOf(t, `{client: {secret: client, field: id}, hosts: {secret: hosts}, wait: {secret: wait}, password: {secret: db, field: password}, ports: {secret: port}}`)
	if got, want := fmt.Sprintf("%+v", c.Sink.Config), "&{Client:(secret client, field id) Hosts:[(secret hosts)] Ports:[0] Wait:0s Password:(secret db, field password)"; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if c := vaultOf(t, "{password: {secret: db, field: password}}"); c.Sink.late != nil {
		t.Error("a secret of a sink is read before it is needed")
	}
	if c := vaultOf(t, "{}"); func() bool { same, err := c.Resolve(t.Context()); return same != c || err != nil }() {
		t.Error("a connector without secrets was copied")
	}
}

func TestNoSecretStore(t *testing.T) {
	r := testRegistry()
	r.plugins = slices.DeleteFunc(r.plugins, func(p *Plugin) bool { return p.Kind == kindSecrets })
	_, err := r.Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: [x], pass: {secret: db}, group: {secret: db}}}\nsink: devnull\n"), testEnv)
	for _, want := range []string{"pass: this build reads no secret store", "group: this build reads no secret store"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Where a file may change, a secret setting reads it again, and the others when the connector is opened.
func TestFilesAreReadAgain(t *testing.T) {
	now := "old\n"
	env := Environment{ReadFile: func(string) ([]byte, error) {
		if now == "" {
			return nil, &os.PathError{Op: "open", Path: "/run/pass", Err: os.ErrNotExist}
		}
		return []byte(now), nil
	}}
	f, err := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: [x], pass: {file: /run/pass}}}\n"+
		"sink: {vault: {password: {file: /run/pass}}}\noverrides: [{topics: x, sink: {vault: {password: {file: /run/pass}}}}]\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Connectors[0]
	pass := c.Source.Config.(*queueConfig).Pass
	for _, text := range []string{"old", "new"} {
		now = text + "\r\n"
		if got, err := pass.Renew(t.Context(), "old"); got != text || err != nil {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	if !reflect.DeepEqual(c.Sink.Config, c.Overrides[0].Sink.Config) {
		t.Error("equal settings of one file differ: two sinks would be opened")
	}
	now = ""
	if _, err := pass.Read(t.Context()); err == nil || err.Error() != "read file /run/pass: file does not exist" || connector.ClassOf(err) != connector.Systemic {
		t.Errorf("%v", err)
	}
}

// What handlers and decoders keep secret must be known when they are made, and counts for the plan.
func TestSecretsOfHandlers(t *testing.T) {
	parse := func(key string) *Connector {
		return parseText(t, "name: a\nsource: {queue: {topics: [x]}}\nsink: devnull\ndecode: {value: {avro: {key: "+key+"}}}\n"+
			"handlers: [{sign: {key: "+key+"}}]\noverrides: [{topics: x, handlers: [{sign: {key: "+key+"}}]}]\n").Connectors[0]
	}
	var plans []string
	for _, key := range []string{"0123456789abcdef", "{secret: key, field: hmac}", "{secret: client, field: id}"} {
		c, err := parse(key).Resolve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, known := (*c.Overrides[0].Handlers)[0].Config.(*signConfig).Key.Known(); !known {
			t.Errorf("%s isn't known", key)
		}
		plans = append(plans, c.plan("v1"))
	}
	if plans[0] != plans[1] || plans[1] == plans[2] {
		t.Errorf("plans %q: the key counts, not where it is kept", plans)
	}
	sink := func(password string) string { return vaultOf(t, "{password: "+password+"}").plan("v1") }
	if sink("x") != sink("{secret: db, field: password}") || sink("x") != sink("{file: /run/pass}") {
		t.Error("where a sink's password is kept changes the plan")
	}
}

// TestLateMistakes compares what is said when a connector is opened with a golden file.
func TestLateMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/late/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := testRegistry().Parse(filepath.Base(path), data, testEnv)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, c := range f.Connectors {
				_, closer, err := c.Open(t.Context())
				if err == nil || closer != nil {
					t.Fatalf("%s was opened", c.Name)
				}
				var ps Problems
				fmt.Fprintf(&said, "%s\nclass %s, problems %t\n\n", err, connector.ClassOf(err), errors.As(err, &ps))
			}
			checkGolden(t, path, said.String())
			for name, text := range testStore {
				if strings.Contains(name, "bad") && strings.Contains(said.String(), text) || strings.Contains(said.String(), "canar") {
					t.Errorf("shown: %s", said.String())
				}
			}
		})
	}
}

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	golden := strings.TrimSuffix(path, ".yaml") + ".golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestConceal(t *testing.T) {
	const nothing = ": (x) can't be used here; what is wrong isn't shown, because it quotes the text"
	for _, tt := range []struct{ text, name, message, want string }{
		{"hunter2", "client_id", `client_id is "hunter2"; it must be longer`, `client_id is "(x)"; it must be longer`},
		{"a\"b\n", "client_id", `client_id is "a\"b"`, `client_id is "(x)"`},
		{"one, two,  three", "url:", `url: two isn't one`, `url: (x) isn't (x)`},
		{"1", "url:", "url: 1 of 10 isn't 1", "url: (x) of 10 isn't (x)"},
		{"https://user:hunter2@host", "url:", `url: invalid port ":hunter2@" after host`, "url" + nothing},
		{"https://user:hunter2@host", "url:", `url: https://user:hu...`, "url" + nothing},
		{"https://user:hunter2@host", "url:", `url: it must be https://`, "url: it must be https://"},
		{"https://user:hunter2@host", "", "no HUNTER2 here", "settings" + nothing},
		{"client_id", "client_id", `client_id can't be used`, `client_id can't be used`},
		{"good, bad-host", "hosts:", "hosts: bad-host is no host", "hosts: (x) is no host"},
		{"", "url:", `url: empty`, `url: empty`},
		{"x", "url:", `url: too short`, `url: too short`},
	} {
		if got := conceal(tt.name, tt.message, []hidden{{tt.text, "(x)"}}); got != tt.want {
			t.Errorf("%q in %q: %q, want %q", tt.text, tt.message, got, tt.want)
		}
	}
}

func TestOneof(t *testing.T) {
	login := &vaultLogin{User: "u", Password: secret.New("p")}
	for text, want := range map[string]vaultAuth{
		"none":                              {},
		"{none: }":                          {},
		"tls":                               {TLS: &tlsConfig{CA: "system"}},
		"{tls: }":                           {TLS: &tlsConfig{CA: "system"}},
		"{tls: {ca: x}}":                    {TLS: &tlsConfig{CA: "x"}},
		"login":                             {Login: &vaultLogin{}},
		"{login: {user: u, password: p}}":   {Login: login},
		"{login: u}":                        {Login: &vaultLogin{User: "u"}},
		"{both: {ca: x, login: {user: u}}}": {Both: &vaultBoth{tlsConfig{"x"}, &vaultLogin{User: "u"}}},
	} {
		t.Run(text, func(t *testing.T) {
			c, _ := testRegistry().Parse("x.yaml", []byte("name: a\nsource: {queue: {topics: [x]}}\nsink: {vault: {auth: "+text+"}}\n"), testEnv)
			if text == "login" {
				if c != nil {
					t.Error("Validate wasn't called")
				}
				return
			}
			if diff := cmp.Diff(want, c.Connectors[0].Sink.Config.(*vaultConfig).Auth, sameTexts(t), cmp.AllowUnexported(vaultBoth{})); diff != "" {
				t.Error(diff)
			}
		})
	}
	f := parseText(t, "name: a\nsource: {queue: {topics: [x]}}\nsink: {vault: {auth: {login: {user: u, password: p}}}}\n"+
		"overrides:\n- {topics: x, sink: {vault: {auth: {login: {user: v}}}}}\n- {topics: y, sink: {vault: {auth: none}}}\n")
	over := func(i int) vaultAuth { return f.Connectors[0].Overrides[i].Sink.Config.(*vaultConfig).Auth }
	if over(0).Login.User != "v" || !over(0).Login.Password.IsSet() || over(1) != (vaultAuth{}) {
		t.Errorf("%+v, %+v", over(0).Login, over(1))
	}
	ruled := vaultConfig{Auth: vaultAuth{Login: &vaultLogin{Rule: "value.x"}}}
	if got := Expressions(&ruled); !reflect.DeepEqual(got, []Expression{{Name: "auth.login.rule", Text: "value.x"}}) {
		t.Errorf("%+v", got)
	}
}

func TestOneofIsDocumented(t *testing.T) {
	p := testRegistry().Find(KindSink, "vault")
	var rows []string
	for _, s := range p.Settings(Docs{}) {
		if strings.HasPrefix(s.Name, "auth") {
			rows = append(rows, strings.TrimSpace(s.Name+" "+s.Type+" "+s.Default))
		}
	}
	want := []string{"auth one of none, tls, login, both tls", "auth.tls.ca text system", "auth.login.user text", "auth.login.password secret", "auth.login.rule rule",
		"auth.both.ca text", "auth.both.login.user text", "auth.both.login.password secret", "auth.both.login.rule rule"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	schema, err := testRegistry().Schema(Docs{})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"enum":["none","tls","login","both"]`, `"required":["login"]`, `"$ref":"#/$defs/secret"`} {
		if !strings.Contains(strings.Join(strings.Fields(string(schema)), ""), part) {
			t.Errorf("the schema lacks %s", part)
		}
	}
	plan := func(auth string) string { return vaultOf(t, "{auth: "+auth+"}").plan("v1") }
	if plan("none") == plan("tls") || plan("{tls: {ca: a}}") == plan("{tls: {ca: b}}") {
		t.Error("the plan doesn't tell alternatives apart")
	}
}
