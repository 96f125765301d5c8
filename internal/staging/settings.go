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
}

// DefaultTime is what a file need not say.
func DefaultTime() Time { return Time{From: "timestamp", Zone: "UTC"} }

// Rotate says when files are closed.
type Rotate struct {
	// Size of a finished file, compressed. A file is closed when it has reached it.
	Size connector.Bytes `yaml:"size"`
	// Longest time that a record waits until its file is closed and can be seen.
	Age connector.Duration `yaml:"age"`
	// Records of a file; 0 is no limit.
	Records int64 `yaml:"records"`
	// Whether all of a partition's files are closed as soon as half of them are full. Without it a full
	// file of a busy path waits, invisible, until age has passed.
	Adaptive bool `yaml:"adaptive"`
	// After so long without a new record, an empty link says that the files of the link before may be moved or
	// deleted. Until then the newest files of a partition have to stay. 0 is never.
	SealAfter connector.Duration `yaml:"seal_after"`
}

// DefaultRotate is what a file need not say.
func DefaultRotate() Rotate {
	return Rotate{Size: 128 << 20, Age: connector.Duration(5 * time.Minute), Adaptive: true, SealAfter: connector.Duration(time.Hour)}
}

// Validate checks the settings.
func (r Rotate) Validate() error {
	switch {
	case r.Size <= 0:
		return fmt.Errorf("rotate.size is %s; it must be above 0", r.Size)
	case r.Age <= 0:
		return fmt.Errorf("rotate.age is %s; it must be above 0", r.Age)
	case r.Records < 0:
		return fmt.Errorf("rotate.records is %d; it must be 0 (no limit) or more", r.Records)
	case r.SealAfter < 0:
		return fmt.Errorf("rotate.seal_after is %s; it must be 0 (never) or more", r.SealAfter)
	}
	return nil
}

// Rotation is the settings as the Connector takes them.
func (r Rotate) Rotation() connector.Rotation {
	return connector.Rotation{
		Size: int64(r.Size), Records: r.Records, Age: time.Duration(r.Age), Adaptive: r.Adaptive, Seal: time.Duration(r.SealAfter),
	}
}

// DefaultChain is the name of a chain for which no other is set.
const DefaultChain = "main"

// fileName is the name of a file in a path that doesn't give one.
const fileName = "{topic}+{partition}+{position:%010d}"

// CompilePath compiles the setting path. A path that is empty or ends in a slash gets a name. unique: keys get a tail, because the name was
// given here or holds no {position}; a path with {position} of its own is taken as it is.
func CompilePath(text string, t Time) (p *template.Template, unique bool, err error) {
	options := template.Options{Path: true, Position: true, Time: &template.Time{From: t.From, Zone: t.Zone}}
	named := text != "" && !strings.HasSuffix(text, "/")
	if !named {
		text += fileName
	}
	p, err = template.Compile(text, options)
	if err != nil {
		return nil, false, fmt.Errorf("path: %w", err)
	}
	if reserved(text) {
		return nil, false, fmt.Errorf("path can't hold a folder %s: links are kept there", chain.Folder)
	}
	return p, !named || !p.HasPosition(), nil
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

// Prefix is where links lie, without slashes at its ends: what the setting prefix says, "/" being the top; if it
// is empty, the leading folders of path that hold no field.
func Prefix(setting, path string) string {
	if setting != "" {
		return strings.Trim(setting, "/")
	}
	var folders strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; c == '{' || c == '}' {
			if i+1 == len(path) || path[i+1] != c {
				break
			}
			i++
		}
		folders.WriteByte(path[i])
	}
	fixed := folders.String()
	return fixed[:max(0, strings.LastIndexByte(fixed, '/'))]
}

// maxChain bounds the name of a chain: it is one segment of the keys of its links.
const maxChain = 100

// CheckLinks checks the settings prefix and chain.
func CheckLinks(prefix, name string) error {
	switch {
	case name == "":
		return errors.New("chain is empty; by default it is " + DefaultChain)
	case len(name) > maxChain:
		return fmt.Errorf("chain has %d bytes, more than %d", len(name), maxChain)
	case name[0] == '.':
		return fmt.Errorf("chain is %q; it can't begin with a dot", name)
	}
	for _, c := range []byte(name) {
		if !plain(c) {
			return fmt.Errorf("chain is %q; it can hold letters, digits, dots, hyphens and underscores", name)
		}
	}
	if strings.Trim(prefix, "/") == "" {
		return nil
	}
	for segment := range strings.SplitSeq(strings.Trim(prefix, "/"), "/") {
		if err := checkFolder(segment); err != nil {
			return fmt.Errorf("prefix %q: %w", prefix, err)
		}
	}
	return nil
}

func checkFolder(name string) error {
	switch {
	case name == "":
		return errors.New("it can't hold //")
	case name == "." || name == "..":
		return fmt.Errorf("it can't hold %s as a name", name)
	case name == chain.Folder:
		return fmt.Errorf("it is what %s lies below", chain.Folder)
	case len(name) > template.MaxSegment:
		return fmt.Errorf("a name in it has %d bytes, more than %d", len(name), template.MaxSegment)
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return fmt.Errorf("it can't hold the control character %q", name[i])
		}
	}
	return nil
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}
