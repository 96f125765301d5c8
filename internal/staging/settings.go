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
