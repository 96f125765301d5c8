package staging

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/template"
)

// Time says which time {time:...} shows.
type Time struct {
	// timestamp (the record's), wall (the time of writing), or a field: value.NAME, key.NAME, header.NAME.
	// A field is a timestamp, milliseconds since 1970, or a text such as 2026-01-31T08:00:00Z. A record
	// without it goes to the dead letter.
	From string `yaml:"from" short:"true"`
	// Time zone, such as UTC or Europe/Berlin.
	Zone string `yaml:"zone"`
	// What a number counts since 1970: s, ms, us or ns. Empty: ms.
	Unit string `yaml:"unit"`
	// Times are rounded down to a multiple of it: with 15m, 08:59 is shown as 08:45. 0 is none.
	Floor connector.Duration `yaml:"floor"`
}

// DefaultTime is what a file need not say.
func DefaultTime() Time { return Time{From: "timestamp", Zone: "UTC"} }

// Late says what becomes of records whose time is far from their timestamp.
type Late = template.Late

// Naming is the settings of what files are called, besides their path.
type Naming struct {
	// Which time {time:...} in path shows.
	Time Time `yaml:"time"`
	// Records whose time is far from their own timestamp: they go elsewhere, or to the dead letter.
	Late Late `yaml:"late"`
	// What stands in path for a null, an empty or a missing value. Empty: __null__. Hive and Spark write __HIVE_DEFAULT_PARTITION__.
	IfNull string `yaml:"if_null"`
	// What becomes of a record that lacks a field of path. null: if_null stands there. error: it goes to the dead letter.
	IfMissing string `yaml:"if_missing"`
	// What names end in, instead of what format and compression give, such as .jsonl.gz. none: nothing.
	Extension string `yaml:"extension"`
}

const (
	missingNull  = "null"
	missingError = "error"
	noExtension  = "none"
)

// DefaultNaming is what a file need not say.
func DefaultNaming() Naming { return Naming{Time: DefaultTime(), IfMissing: missingNull} }

// options are what paths are compiled with.
func (n *Naming) options() template.Options {
	return template.Options{
		Path: true, Position: true, Null: n.IfNull, MissingIsError: n.IfMissing == missingError,
		Time: &template.Time{From: n.Time.From, Zone: n.Time.Zone, Unit: n.Time.Unit, Floor: time.Duration(n.Time.Floor)},
	}
}

// fileName is the name of a file in a path that doesn't give one.
const fileName = "{topic}+{partition}+{position:%010d}"

// A Path is the compiled setting path, with what belongs to it.
type Path struct {
	*template.Template
	Late   *template.Lateness // nil: no record is late
	Unique bool               // keys get a tail, because the name was given here or holds no {position}; a path with {position} of its own is taken as it is
}

// CompilePath compiles the setting path. A path that is empty or ends in a slash gets a name.
func CompilePath(text string, n Naming) (p Path, err error) {
	if n.IfMissing != "" && n.IfMissing != missingNull && n.IfMissing != missingError {
		return p, fmt.Errorf("if_missing is %q; it is null or error", n.IfMissing)
	}
	if e := n.Extension; e != "" && e != noExtension && (e[0] != '.' || strings.ContainsAny(e, "/\x00")) {
		return p, fmt.Errorf("extension is %q; it begins with a dot, and holds no slash", e)
	}
	if p.Template, p.Unique, err = compilePath(text, n.options()); err != nil {
		return p, fmt.Errorf("path: %w", err)
	}
	late := n.Late
	if late.Path != "" {
		_, unique, err := compilePath(late.Path, n.options())
		if err != nil {
			return p, fmt.Errorf("late.path: %w", err)
		}
		if unique != p.Unique {
			return p, errors.New("late.path and path have to be alike: both end in / or give a name with {position}, or neither does")
		}
		late.Path = named(late.Path)
	}
	if p.Late, err = late.Compile(n.options()); err != nil {
		return p, err
	}
	return p, nil
}

func compilePath(text string, o template.Options) (p *template.Template, unique bool, err error) {
	full := named(text)
	if p, err = template.Compile(full, o); err != nil {
		return nil, false, err
	}
	if reserved(full) {
		return nil, false, fmt.Errorf("it can't hold a folder %s: links are kept there", chain.Folder)
	}
	return p, full != text || !p.HasPosition(), nil
}

// named is a path with a name.
func named(path string) string {
	if path == "" || strings.HasSuffix(path, "/") {
		return path + fileName
	}
	return path
}

// Extended is e with the extension that is set.
func (n *Naming) Extended(e Encoding) Encoding {
	switch n.Extension {
	case "":
	case noExtension:
		e.Extension = ""
	default:
		e.Extension = n.Extension
	}
	return e
}

// reserved reports whether a path leads into a folder of links: what lies there is no data.
func reserved(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == chain.Folder {
			return true
		}
	}
	return false
}
