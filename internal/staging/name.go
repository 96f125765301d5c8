package staging

import (
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/template"
)

const (
	seqDigits  = 10 // of a number in a key, at least
	tailDigits = 8  // hex digits of the random part
)

// pathOf is the path that the i-th record's file has. The error is about this record.
func (w *writing) pathOf(b *connector.Batch, i int) (*template.Template, error) {
	p := &w.o.Path
	if p.Late == nil {
		return p.Template, nil
	}
	late, err := p.Late.Is(b, i)
	switch {
	case err != nil:
		return nil, err
	case !late:
		return p.Template, nil
	case p.Late.Path() == nil:
		return nil, p.Late.Reason(b, i)
	}
	return p.Late.Path(), nil
}

// checkName refuses names of files that get too long by what follows, and those that are kept for links.
func (w *writing) checkName(name string) error {
	path := w.o.Path.Text()
	added := len(w.o.Format.Extension)
	if w.unique {
		added += 1 + max(seqDigits, digits(w.standing.at())) + 1 + tailDigits
	}
	if n := len(name) + added; w.o.MaxKey > 0 && n > w.o.MaxKey {
		return connector.Permanent.Errorf("path %q: the key would have %d bytes, more than %d", path, n, w.o.MaxKey)
	}
	if n := len(name) - strings.LastIndexByte(name, '/') - 1 + added; w.o.MaxName > 0 && n > w.o.MaxName {
		return connector.Permanent.Errorf("path %q: the file's name would have %d bytes, more than %d", path, n, w.o.MaxName)
	}
	if reserved(name) {
		return connector.Permanent.Errorf("path %q: a folder would have the name %s, which is kept for links", path, chain.Folder)
	}
	return nil
}

func digits(n int64) int {
	d := 1
	for ; n > 9; n /= 10 {
		d++
	}
	return d
}
