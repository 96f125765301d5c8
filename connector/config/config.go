package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// A File is a configuration file that was read and checked.
type File struct {
	Name       string
	Connectors []*Connector
}

// A Connector is one document of a configuration file: what to read, what to do with it and where to put it.
type Connector struct {
	// Name of the connector: in logs, status, dead letters and the field {connector}. It is also the default of
	// the consumer group and of the client id. Letters, digits, dot, underscore and hyphen. Required.
	Name string `yaml:"name"`
	// Source says where records come from. Required.
	Source Choice `yaml:"source" choice:"source"`
	// Decode says what the bytes of keys and values are.
	Decode Decode `yaml:"decode"`
	// Handlers are the rules that records pass, in this order. Default: none.
	Handlers []Choice `yaml:"handlers" choice:"handler"`
	// Sink says where records go. Required.
	Sink Choice `yaml:"sink" choice:"sink"`
	// Overrides give some topics other settings. The first that matches a topic counts.
	Overrides []Override `yaml:"overrides"`
	// DeadLetter keeps the records that can't be processed. With none, which is the default, a partition stops
	// at such a record and the others go on.
	DeadLetter Choice `yaml:"dead_letter" choice:"dead letter"`
	// OnGap says what happens when offsets that weren't read yet are gone from Kafka: they expired, the log was truncated, or the topic was
	// deleted and created again. With fail the partition stops and says which offsets; the others go on. With earliest
	// it goes on at the first offset that is there, with latest at the end of the log. Going on leaves a gap record in the dead
	// letter and in the sink's chain. A chain in files or S3 never goes back by itself: see
	// millrace rewind, and millrace move for topics that were made again or lie on another cluster.
	OnGap connector.GapPolicy `yaml:"on_gap"`
	// Breaker stops a partition when too many of its records fail for good, before the dead letter has them: a wrong schema or rule
	// must not empty a topic into it. Nothing is lost; only millrace resume, or a restart, starts the partition again. With none it never stops. It does nothing
	// where there is no dead letter.
	Breaker *Breaker `yaml:"breaker" off:"none"`
	// MaxRecord is the size of the largest record, key, value and headers together; a larger one goes to the
	// dead letter.
	MaxRecord connector.Bytes `yaml:"max_record"`
	// CommitInterval is how often offsets are committed. What was delivered since the last commit is delivered
	// again after a crash.
	CommitInterval connector.Duration `yaml:"commit_interval"`
	// DrainTimeout is how long a partition that moves away, or a connector that stops, may finish what it has
	// begun. Keep it below the group's rebalance timeout.
	DrainTimeout connector.Duration `yaml:"drain_timeout"`
}

// Decode says what the bytes of keys and values are.
type Decode struct {
	// Key is the decoder of keys.
	Key Choice `yaml:"key" choice:"decoder"`
	// Value is the decoder of values.
	Value Choice `yaml:"value" choice:"decoder"`
}

// An Override gives the topics that it matches a sink's settings and handlers of their own.
type Override struct {
	// Topics are names of topics, in which * stands for any text and ? for one character. Required.
	Topics []string `yaml:"topics"`
	// Sink holds the settings that differ; those that it leaves out are the connector's. Maps merge, lists replace.
	Sink *Choice `yaml:"sink" choice:"sink"`
	// Handlers replace the connector's. Default: the connector's.
	Handlers *[]Choice `yaml:"handlers" choice:"handler"`
}

// Matches reports whether the override is for a topic.
func (o *Override) Matches(topic string) bool {
	for _, p := range o.Topics {
		if ok, _ := path.Match(p, topic); ok {
			return true
		}
	}
	return false
}

// A Choice is a plugin and its settings.
type Choice struct {
	Name   string // as the file names it: "redis_geo"
	Config any    // a pointer to the plugin's Config struct; see Connector.Resolve
	plugin *Plugin
	late   *late // nil if Config is complete
}

// Load reads and checks files, with the environment of this process. The error is of type Problems and tells
// every mistake of every file; the files without one are returned beside it.
func (r *Registry) Load(paths ...string) ([]*File, error) {
	var files []*File
	var all Problems
	seen := map[string]string{}
	for _, p := range paths {
		f, err := r.loadFile(p)
		if err != nil {
			var ps Problems
			errors.As(err, &ps)
			all = append(all, ps...)
			continue
		}
		for _, c := range f.Connectors {
			if first, ok := seen[c.Name]; ok {
				all = append(all, &Problem{File: p, Message: fmt.Sprintf("a connector %q stands in %s already; names are unique within a process", c.Name, first)})
			}
			seen[c.Name] = p
		}
		files = append(files, f)
	}
	if len(all) > 0 {
		return files, all
	}
	return files, nil
}

func (r *Registry) loadFile(path string) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, Problems{{File: path, Message: err.Error()}}
	}
	return r.Parse(path, data, OS())
}

// readFile reads a file up to the size that Parse accepts, and one byte more.
func readFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > maxFile {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxFile)
	}
	data, err := os.ReadFile(path)
	var e *fs.PathError
	if errors.As(err, &e) {
		err = e.Err // the path stands before the message already
	}
	return data, err
}

// Parse reads and checks the text of a file. name stands in messages. The error is of type Problems and
// tells every mistake.
func (r *Registry) Parse(name string, data []byte, env Environment) (*File, error) {
	var ps Problems
	f := &File{Name: name}
	roots := parse(name, data, r.secretNames, &ps)
	seen := map[string]place{}
	for _, root := range roots {
		d := decoder{registry: r, env: &env, problems: &ps}
		c := d.connector(root)
		if n := root.find("name"); n != nil && c.Name != "" {
			if first, ok := seen[c.Name]; ok {
				ps.add(n.value.at, "a connector %q stands in line %d already", c.Name, first.line)
			}
			seen[c.Name] = n.value.at
		}
		f.Connectors = append(f.Connectors, c)
	}
	if len(f.Connectors) == 0 && len(ps) == 0 {
		ps = append(ps, &Problem{File: name, Message: "the file holds no connector"})
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// Defaults is a connector with the defaults of everything that isn't required.
func (r *Registry) Defaults() *Connector {
	c := &Connector{
		DeadLetter:     Choice{Name: none},
		OnGap:          connector.GapFail,
		Breaker:        defaultBreaker(),
		MaxRecord:      8 << 20,
		CommitInterval: connector.Duration(time.Second),
		DrainTimeout:   connector.Duration(20 * time.Second),
	}
	c.Decode.Key, c.Decode.Value = r.choose(KindDecoder, "string"), r.choose(KindDecoder, "json")
	return c
}

// choose is a choice with its defaults, the zero Choice if the build doesn't have it.
func (r *Registry) choose(k Kind, name string) Choice {
	p := r.Find(k, name)
	if p == nil {
		return Choice{}
	}
	return Choice{Name: name, Config: p.Defaults(), plugin: p}
}

// none is the dead letter that keeps nothing.
const none = "none"

// connector decodes and checks a document.
func (d *decoder) connector(root *node) *Connector {
	c := d.registry.Defaults()
	if root.kind != mapping {
		d.problems.add(root.at, "a connector is a map of settings (name, source, sink, ...), not %s", root.kind)
		return c
	}
	if n := root.get("name"); n != nil && n.kind == scalar {
		d.name, _ = d.env.expand(n.text)
	}
	d.mergeOverrides(root)
	d.structure(root, reflect.ValueOf(c).Elem(), "a connector")
	for _, name := range []string{"name", "source", "sink"} {
		if root.find(name) == nil {
			d.problems.add(root.at, "a connector needs the setting %q", name)
		}
	}
	at := func(setting string) place {
		if f := root.find(setting); f != nil {
			return f.value.at
		}
		return root.at
	}
	if c.Name != "" && !connectorName.MatchString(c.Name) {
		d.problems.add(at("name"), "%q is no name for a connector: at most 200 letters, digits, dots, underscores and hyphens", c.Name)
	}
	switch c.OnGap {
	case connector.GapFail, connector.GapEarliest, connector.GapLatest:
	default:
		d.problems.add(at("on_gap"), "on_gap is fail, earliest or latest, not %q", string(c.OnGap))
	}
	if err := c.Breaker.validate(); err != nil {
		d.problems.add(at("breaker"), "breaker: %v", err)
	}
	if c.MaxRecord <= 0 {
		d.problems.add(at("max_record"), "max_record must be above 0")
	}
	if c.CommitInterval <= 0 {
		d.problems.add(at("commit_interval"), "commit_interval must be above 0")
	}
	if c.DrainTimeout <= 0 {
		d.problems.add(at("drain_timeout"), "drain_timeout must be above 0")
	}
	d.checkOverrides(root)
	return c
}

var connectorName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

// mergeOverrides lays each override's sink over the connector's, so that it is decoded as a whole.
func (d *decoder) mergeOverrides(root *node) {
	sink, overrides := root.get("sink"), root.get("overrides")
	if sink == nil || overrides == nil {
		return
	}
	base := asMap(sink)
	for i, o := range overrides.items {
		f := o.find("sink")
		if f == nil {
			continue
		}
		top := asMap(f.value)
		if len(base.fields) == 1 && len(top.fields) == 1 && top.fields[0].name != base.fields[0].name {
			d.problems.add(top.fields[0].at, "an override changes settings of the connector's sink, %s; it can't choose another", base.fields[0].name)
			continue
		}
		merged := &node{kind: mapping, at: o.at, fields: append([]field(nil), o.fields...)}
		*merged.find("sink") = field{"sink", f.at, overlay(base, top)}
		overrides.items[i] = merged
	}
}

// asMap is a choice's long form.
func asMap(n *node) *node {
	if n.kind != scalar {
		return n
	}
	return &node{kind: mapping, at: n.at, fields: []field{{name: n.text, at: n.at, value: &node{at: n.at}}}}
}

func (d *decoder) checkOverrides(root *node) {
	overrides := root.get("overrides")
	if overrides == nil {
		return
	}
	for _, o := range overrides.items {
		topics := o.get("topics")
		if topics == nil {
			d.problems.add(o.at, `an override needs the setting "topics"`)
			continue
		}
		if o.find("sink") == nil && o.find("handlers") == nil {
			d.problems.add(o.at, `an override needs the setting "sink" or "handlers"`)
		}
		for _, t := range append([]*node{topics}, topics.items...) {
			if _, err := path.Match(t.text, ""); err != nil {
				d.problems.add(t.at, "%q is no pattern for topics: %v", t.text, err)
			}
		}
	}
}

// choice decodes one of the build's plugins: a name, or a map with one key.
func (d *decoder) choice(n *node, k Kind, what string) (Choice, bool) {
	known := d.known(k)
	switch {
	case n.kind == null:
		d.problems.add(n.at, "%s is empty; it is one of %s", what, strings.Join(known, ", "))
		return Choice{}, false
	case n.kind == list:
		d.problems.add(n.at, "%s is one of %s, not a list", what, strings.Join(known, ", "))
		return Choice{}, false
	}
	m := asMap(n)
	if len(m.fields) != 1 {
		d.problems.add(n.at, "%s takes one key, one of %s; it has %s", what, strings.Join(known, ", "), cmp.Or(strings.Join(m.names(), ", "), "none"))
		d.hideSecrets(n)
		return Choice{}, false
	}
	f := m.fields[0]
	if k == KindDeadLetter && f.name == none && f.value.kind == null {
		return Choice{Name: none}, true
	}
	p := d.registry.Find(k, f.name)
	if p == nil {
		d.problems.add(f.at, "this build has no %s %q%s", k, f.name, suggest(f.name, known, "it has"))
		d.hideSecrets(f.value)
		return Choice{}, false
	}
	return d.settle(p, f), true
}

// known are the names to choose from.
func (d *decoder) known(k Kind) []string {
	var out []string
	for _, p := range d.registry.Plugins(k) {
		out = append(out, p.Name)
	}
	if k == KindDeadLetter {
		out = append(out, none)
	}
	return out
}

// validate reports what the choice's Validate says, each error at the setting that it names.
func (d *decoder) validate(c Choice, f field) {
	for _, err := range split(validate(c.Config)) {
		message := err.Error()
		name, _, _ := strings.Cut(message, " ")
		if at, ok := f.value.locate(strings.TrimSuffix(name, ":")); ok {
			d.problems.add(at, "%s", conceal(name, message, d.hidden))
			continue
		}
		message = conceal("", message, d.hidden)
		if !strings.HasPrefix(message, c.Name) {
			message = c.Name + ": " + message
		}
		at := f.at
		if f.value.kind == scalar {
			at = f.value.at
		}
		d.problems.add(at, "%s", message)
	}
}

// split are the errors that err joins.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	return []error{err}
}

// locate finds the value of a setting such as "rotate.size", or the innermost map around it that is written. A name
// that the user chose, of a field say, may also be one level below.
func (n *node) locate(path string) (place, bool) {
	if f := n.find(path); f != nil {
		return f.value.at, true
	}
	if first, rest, nested := strings.Cut(path, "."); nested {
		if f := n.find(first); f != nil {
			if at, ok := f.value.locate(rest); ok {
				return at, true
			}
			return f.value.at, true
		}
	}
	for _, f := range n.fields {
		if g := f.value.find(path); g != nil {
			return g.value.at, true
		}
	}
	return place{}, false
}
