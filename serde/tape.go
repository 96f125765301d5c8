package serde

import "slices"

// A Tape is where values live. NewTape makes one.
//
// Tape's methods, and [Value.Clone] into it, are called by one goroutine at a time and not
// while another reads values of the tape. Reading values alone is safe from any number of goroutines.
type Tape struct {
	gen uint32 // of the values that are valid now; never 0

	chunks [][]node // nodes, in chunks so that growing moves nothing but the newest document
	chunk  int      // the chunk in use
	used   int      // nodes of it that are taken

	docs  [][]doc // in chunks, so that a *doc stays where it is
	ndocs int

	buf  []byte // unescaped strings, names and text of values that were made
	made *doc   // where made values are appended, nil if it can't grow any more

	order   order   // names in the order that JSON documents have them
	names   nameSet // names seen in an object, where the order says nothing
	scanner scanner // of the document that is parsed
	writer  Writer  // of the value that is written

	bound     map[*Names]uint32 // where names of schemas are in buf
	boundLast *Names
	boundAt   uint32
}

// A node is a value on the tape. The members or elements of a container follow it, each with
// what it contains. Nodes hold no pointers.
type node struct {
	kind    Kind // Missing: a reference to another node, see x
	flag    flag
	nameLen uint16
	name    uint32 // where the member's name begins
	off, n  uint32 // where the text is; of a parsed string without its quotes
	x       uint64 // the scalar, but for a Float64 that was parsed; containers: count<<32 | index of the node behind them;
	// escaped strings: their text in buf, offset<<32 | length; references: doc<<32 | node
}

type flag uint8

const (
	flagRaw        flag = 1 << iota // off and n are JSON text, which may be copied
	flagEscaped                     // the JSON text has escapes; x says where the plain text is
	flagNewline                     // the JSON text may hold raw newlines
	flagUnsure                      // Float64 or Decimal: see classify
	flagBuf                         // off is an offset in Tape.buf, not in doc.src
	flagNameBuf                     // name is an offset in Tape.buf, not in doc.src
	flagNameThere                   // the name is that of the node referred to
	flagNameQuoted                  // with flagNameBuf: quotes and a colon are around it, and it needs no escapes

	flagsOfName = flagNameBuf | flagNameThere | flagNameQuoted
)

// A doc is a run of nodes that share a source: a JSON document, a borrowed
// text, a value that a Writer wrote, or values that were made.
type doc struct {
	t     *Tape
	src   []byte
	nodes []node
	gen   uint32
	index uint32 // among the tape's docs

	schema *Schema // nil if there is none
}

const (
	nodeBytes = 24
	docBytes  = 72

	docChunk = 128 // docs of a chunk

	minChunk  = 256     // nodes of the first chunk
	maxChunk  = 4096    // nodes of a chunk that holds many documents
	keepChunk = 1 << 15 // nodes of a chunk that Reset keeps
	keepBuf   = 1 << 20 // bytes of buf that Reset keeps

	maxText = 1<<32 - 1 // offsets are uint32
)

// NewTape makes an empty tape. It allocates nothing before the first value.
func NewTape() *Tape { return &Tape{gen: 1} }

// Reset empties the tape and keeps most of its memory for the next values. All
// values made so far become invalid: using one panics.
func (t *Tape) Reset() {
	t.gen++
	if t.gen == 0 {
		t.gen = 1
	}
	for i := range t.docs {
		used := min(t.ndocs-i*docChunk, docChunk)
		if used <= 0 {
			break
		}
		clear(t.docs[i][:used])
	}
	t.ndocs = 0
	t.chunks = slices.DeleteFunc(t.chunks, func(c []node) bool { return len(c) > keepChunk })
	t.chunk, t.used, t.made = 0, 0, nil
	if t.buf = t.buf[:0]; cap(t.buf) > keepBuf {
		t.buf = nil
	}
	t.names.trim()
	t.order.renew()
	t.scanner, t.writer = scanner{}, Writer{}
	clear(t.bound)
	t.boundLast = nil
}

// Bytes is the memory that the tape holds, borrowed sources not counted.
func (t *Tape) Bytes() int {
	n := len(t.docs)*docChunk*docBytes + cap(t.buf) + t.names.bytes() + t.order.bytes()
	for _, c := range t.chunks {
		n += len(c) * nodeBytes
	}
	return n
}

// free is the part of the chunk in use that no document has taken.
func (t *Tape) free() []node {
	if t.chunk == len(t.chunks) {
		t.chunks = append(t.chunks, make([]node, minChunk))
	}
	return t.chunks[t.chunk][t.used:]
}

// more finds room for need nodes, goes on there, and copies what is already there of the newest document.
func (t *Tape) more(begun []node, need int) []node {
	if t.used == 0 && t.chunk < len(t.chunks) {
		// The document has outgrown a chunk of its own.
		t.chunks = slices.Delete(t.chunks, t.chunk, t.chunk+1)
	} else if t.chunk < len(t.chunks) {
		t.chunk++
	}
	if t.chunk == len(t.chunks) || len(t.chunks[t.chunk]) < need {
		size := minChunk
		for _, c := range t.chunks {
			size += len(c)
		}
		t.chunks = slices.Insert(t.chunks, t.chunk, make([]node, max(need, min(size, maxChunk))))
	}
	t.used, t.made = 0, nil
	fresh := t.chunks[t.chunk]
	copy(fresh, begun)
	return fresh
}

// newDoc begins a document with nodes, which the caller takes out of the chunk in use.
func (t *Tape) newDoc(src []byte, nodes []node) *doc {
	at := t.ndocs
	if at/docChunk == len(t.docs) {
		t.docs = append(t.docs, make([]doc, docChunk))
	}
	d := &t.docs[at/docChunk][at%docChunk]
	t.ndocs++
	*d = doc{t: t, src: src, nodes: nodes, gen: t.gen, index: uint32(at)}
	return d
}

func (t *Tape) doc(i uint32) *doc { return &t.docs[i/docChunk][i%docChunk] }

// take appends n nodes to the document of made values and returns the index of the first.
func (t *Tape) take(n int) (*doc, uint32) {
	d := t.made
	if d == nil || cap(d.nodes)-len(d.nodes) < n {
		free := t.free()
		if len(free) < n {
			free = t.more(nil, n)
		}
		d = t.newDoc(nil, free[:0])
		t.made = d
	}
	at := len(d.nodes)
	d.nodes = d.nodes[:at+n]
	t.used += n
	return d, uint32(at)
}

// keep copies s to the tape's own text and returns where it is.
func (t *Tape) keep(s string) (off, n uint32) {
	at := t.reserve(len(s))
	t.buf = append(t.buf, s...)
	return at, uint32(len(s))
}

// reserve is where the next n bytes of text will be.
func (t *Tape) reserve(n int) uint32 {
	if len(t.buf)+n > maxText {
		panic("serde: a tape can't hold more than 4 GiB of text")
	}
	return uint32(len(t.buf))
}
