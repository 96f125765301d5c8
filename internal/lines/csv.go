package lines

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// CSVConfig is the setting `format: csv`: files of comma-separated values (RFC 4180), with a line of column names. What has members or elements is JSON text.
type CSVConfig struct {
	// Character between fields: one ASCII character, "\t" for a tab. Default a comma.
	Separator string `yaml:"separator"`
	// Leave out the line of column names that files begin with.
	NoHeader bool `yaml:"no_header"`
	// Text of null, which is never quoted: a text that is the same, or empty, stands in quotes. Default empty.
	Null string `yaml:"null_text"`
	// What ends a line: lf or crlf. Default lf.
	LineEnd string `yaml:"line_end"`
}

// DefaultCSVConfig is what a file need not say.
func DefaultCSVConfig() CSVConfig { return CSVConfig{Separator: ",", LineEnd: "lf"} }

// Validate reports settings that can't be.
func (c CSVConfig) Validate() error {
	_, err := c.dialect()
	return err
}

// A dialect is how lines are written.
type dialect struct {
	separator byte
	null      string
	end       string
	special   [256]bool // bytes that a field without quotes can't have
}

func (c CSVConfig) dialect() (*dialect, error) {
	d := &dialect{separator: ',', null: c.Null, end: "\n"}
	switch {
	case c.Separator == "":
	case c.Separator == `\t`:
		d.separator = '\t'
	case len(c.Separator) != 1 || c.Separator[0] >= utf8.RuneSelf || c.Separator[0] < ' ' && c.Separator[0] != '\t' || c.Separator == `"`:
		return nil, fmt.Errorf("csv.separator is %.40q, expected one ASCII character that is no quote and no line break", c.Separator)
	default:
		d.separator = c.Separator[0]
	}
	switch c.LineEnd {
	case "", "lf":
	case "crlf":
		d.end = "\r\n"
	default:
		return nil, fmt.Errorf("csv.line_end is %.40q, expected lf or crlf", c.LineEnd)
	}
	for _, b := range []byte{d.separator, '"', '\r', '\n'} {
		d.special[b] = true
	}
	for _, b := range []byte(c.Null) {
		if d.special[b] {
			return nil, fmt.Errorf("csv.null_text is %.40q; it can't hold the separator, quotes or line breaks, because null isn't quoted", c.Null)
		}
	}
	return d, nil
}

// The blocks of CSV files, in bytes before compression: those of lines of JSON.
const (
	CSVBlock      = 1 << 20
	CSVLeastBlock = 64 << 10
)

// CSV is the format of comma-separated values. It is safe for concurrent use.
type CSV struct {
	codec   *Codec
	dialect *dialect
	header  bool
	tables  table.Compiled[*csvTable]
}

// A csvTable is what all files of the same columns share.
type csvTable struct {
	*table.Schema
	row     *cell.Column
	columns []csvColumn
	single  bool // there is one column
}

// NewCSV makes the format. codec compresses blocks.
func NewCSV(c CSVConfig, codec *Codec) (*CSV, error) {
	d, err := c.dialect()
	if err != nil {
		return nil, err
	}
	return &CSV{codec: codec, dialect: d, header: !c.NoHeader}, nil
}

// Name is what messages call the format.
func (c *CSV) Name() string { return "csv" }

// Extension is what names of files end in.
func (c *CSV) Extension() string { return ".csv" + c.codec.Extension() }

// New begins an empty file.
func (c *CSV) New(columns *table.Schema) (*CSVRows, error) {
	if columns == nil || len(columns.Fields) == 0 && columns.Rest == "" {
		return nil, errors.New("a csv file needs columns")
	}
	t, err := c.tables.Of(columns, newCSVTable)
	if err != nil {
		return nil, fmt.Errorf("columns of %.100q: %w", columns.Name, err)
	}
	return &CSVRows{format: c, table: t}, nil
}

func newCSVTable(columns *table.Schema) (*csvTable, error) {
	row, err := cell.New(columns, true)
	if err != nil {
		return nil, err
	}
	t := &csvTable{Schema: columns, row: row, columns: make([]csvColumn, len(row.Fields))}
	for i := range t.columns {
		t.columns[i] = newCSVColumn(&row.Fields[i])
	}
	t.single = len(columns.Fields) == 0 || len(columns.Fields) == 1 && columns.Rest == ""
	return t, nil
}

// CSVRows are the rows of one file, which gather in its open block. One goroutine uses them at a time.
type CSVRows struct {
	format *CSV
	table  *csvTable
	begun  bool // the line of names is in the file or in the block

	slots  slots
	writer csvWriter
	text   []byte
	block  []byte

	rows, rested, dropped int64
}

// head appends the line of the columns' names, unless the file has it.
func (r *CSVRows) head(dst []byte) []byte {
	if r.begun || !r.format.header {
		return dst
	}
	d := r.format.dialect
	for i := range r.table.Fields {
		if i > 0 {
			dst = append(dst, d.separator)
		}
		dst = d.appendField(dst, []byte(r.table.Fields[i].Name))
	}
	if r.table.Rest != "" {
		if len(r.table.Fields) > 0 {
			dst = append(dst, d.separator)
		}
		dst = d.appendField(dst, []byte(r.table.Rest))
	}
	return append(dst, d.end...)
}

// Add appends a row. It keeps nothing of v. The error is about this value; no part of the row stays.
func (r *CSVRows) Add(v serde.Value) error {
	if v.Kind() != serde.Object {
		return cell.NoRow(v)
	}
	defer r.slots.give(0)
	_, strangers, err := r.slots.find(r.table.row, v)
	if err != nil {
		return err
	}
	block, err := r.fields(r.head(r.block))
	if err == nil && r.table.Rest != "" {
		block, err = r.rest(block, strangers, v)
	}
	if err != nil {
		return err
	}
	r.block = append(block, r.format.dialect.end...)
	r.begun = true
	r.rows++
	switch {
	case !strangers:
	case r.table.Rest != "":
		r.rested++
	default:
		r.dropped++
	}
	return nil
}

// fields appends the fields of a row whose members are in the slots.
func (r *CSVRows) fields(dst []byte) (_ []byte, err error) {
	d := r.format.dialect
	for i := range r.table.columns {
		c := &r.table.columns[i]
		if i > 0 {
			dst = append(dst, d.separator)
		}
		x := r.slots[i]
		switch {
		case !x.Exists() && c.bad != nil:
			return nil, c.bad
		case !x.Exists() && !c.null:
			dst = d.appendField(dst, c.known)
		case x.IsNull() && !c.Type.Nullable:
			return nil, c.Refuse(x, cell.OtherKind)
		case x.IsNull():
			dst = r.null(dst)
		default:
			if r.text, err = r.writer.append(r.text[:0], c.Column, x); err != nil {
				return nil, err
			}
			dst = d.appendField(dst, r.text)
		}
	}
	return dst, nil
}

// rest appends the column for the members that no other column takes.
func (r *CSVRows) rest(dst []byte, strangers bool, v serde.Value) (_ []byte, err error) {
	if len(r.table.columns) > 0 {
		dst = append(dst, r.format.dialect.separator)
	}
	if !strangers {
		return r.null(dst), nil
	}
	if r.text, err = r.table.row.AppendRest(r.text[:0], v); err != nil {
		return nil, cell.RestFails(err)
	}
	return r.format.dialect.appendField(dst, r.text), nil
}

// null appends a null. An empty line would be none: alone in its line, it is an empty text.
func (r *CSVRows) null(dst []byte) []byte {
	if r.table.single && r.format.dialect.null == "" {
		return append(dst, `""`...)
	}
	return append(dst, r.format.dialect.null...)
}

// appendField appends a text that isn't null, in quotes where it needs them. That is also where it is empty or the text of null, and where a
// reader may cut off spaces.
func (d *dialect) appendField(dst, text []byte) []byte {
	quoted := len(text) == 0 || string(text) == d.null || isBlank(text[0]) || isBlank(text[len(text)-1])
	for _, c := range text {
		if d.special[c] {
			quoted = true
			break
		}
	}
	if !quoted {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// Rows is how many rows were added.
func (r *CSVRows) Rows() int64 { return r.rows }

// Rested is how many rows have members in the column for those that no other column takes.
func (r *CSVRows) Rested() int64 { return r.rested }

// Dropped is how many rows had members that no column took, which are lost: the columns have none for the rest.
func (r *CSVRows) Dropped() int64 { return r.dropped }

// Pending is the length of the open block, in bytes.
func (r *CSVRows) Pending() int64 { return int64(len(r.block)) }

// Encoded is the length that the open block has in the file, 0 if it will be compressed.
func (r *CSVRows) Encoded() int64 {
	if r.format.codec.compression == None {
		return r.Pending()
	}
	return 0
}

// Held is the memory held, in bytes.
func (r *CSVRows) Held() int64 {
	return int64(cap(r.block)) + int64(cap(r.text)) + int64(cap(r.writer.scratch)) + int64(cap(r.slots))*slotBytes
}

// Pack does nothing: a block is compressed when it ends.
func (r *CSVRows) Pack(int64) {}

// Block is the open block as the file's next bytes. They lie in scratch, or in r. Until Next, Block gives them again.
func (r *CSVRows) Block(scratch *[]byte) []byte {
	if r.format.codec.compression == None {
		return r.block
	}
	*scratch = r.format.codec.Append((*scratch)[:0], r.block)
	return *scratch
}

// Next starts a new block. Memory beyond keep bytes is let go.
func (r *CSVRows) Next(_ int, keep int64) {
	r.block = r.block[:0]
	if r.Held() > keep {
		r.block, r.text, r.slots, r.writer = nil, nil, nil, csvWriter{}
	}
}

// End is what follows the last block: nothing, and of a file without rows its header.
func (r *CSVRows) End(scratch *[]byte) []byte {
	r.text = r.head(r.text[:0])
	*scratch = r.format.codec.Append((*scratch)[:0], r.text)
	return *scratch
}
