package textline

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/serde/column"
)

// syslog5424 is a message of the syslog protocol (RFC 5424, section 6). Structured data are an object of objects. The message may have
// line breaks.
type syslog5424 struct{}

// structuredData is the member that isn't text.
const structuredData = "structured_data"

// The columns of RFC 5424 that aren't words of the header.
const (
	facility5424 = iota
	severity5424
	header5424 // version, timestamp, hostname, app_name, proc_id, msg_id
	data5424   = header5424 + 6
	msg5424    = data5424 + 1
)

func (syslog5424) columns() []column.Column {
	return []column.Column{
		{Name: "facility", Type: column.Int}, {Name: "severity", Type: column.Int}, {Name: "version", Type: column.Int},
		{Name: "timestamp", Type: column.Timestamp}, {Name: "hostname"}, {Name: "app_name"}, {Name: "proc_id"}, {Name: "msg_id"},
		{Name: structuredData, Type: column.JSON}, {Name: "message"},
	}
}

func (syslog5424) members(n int) int { return n }

func (s syslog5424) read(l *line) error {
	at, err := s.header(l)
	if err != nil {
		return err
	}
	if at, err = s.data(l, at); err != nil {
		return err
	}
	if at == len(l.text) {
		l.row.Null(msg5424)
		return nil
	}
	if l.text[at] != ' ' {
		return l.mismatch(at, `a space before "message"`)
	}
	at++
	if bytes.HasPrefix(l.text[at:], []byte("\xef\xbb\xbf")) { // MSG-UTF8 begins with a byte order mark
		at += 3
	}
	return l.field(msg5424, at, len(l.text))
}

// header writes all members before the structured data, and returns where those begin.
func (syslog5424) header(l *line) (at int, err error) {
	if at, err = priority(l); err != nil {
		return 0, err
	}
	for i := header5424; i < data5424; i++ {
		n := bytes.IndexByte(l.text[at:], ' ')
		if n <= 0 {
			return 0, l.mismatch(at, fmt.Sprintf("%q and a space", l.set.Name(i)))
		}
		if n == 1 && l.text[at] == '-' { // NILVALUE
			l.row.Null(i)
		} else if err := l.field(i, at, at+n); err != nil {
			return 0, err
		}
		at += n + 1
	}
	return at, nil
}

// priority reads <165> as columns 0 and 1, facility and severity, and returns where it ends (RFC 5424, section 6.2.1).
func priority(l *line) (end int, err error) {
	n := bytes.IndexByte(l.text[:min(len(l.text), 5)], '>')
	if n < 2 || l.text[0] != '<' || l.text[1] == '0' && n > 2 {
		return 0, l.mismatch(0, "a priority from <0> to <191>")
	}
	p := 0
	for _, c := range l.text[1:n] {
		if c-'0' > 9 {
			return 0, l.mismatch(0, "a priority from <0> to <191>")
		}
		p = p*10 + int(c-'0')
	}
	if p > 191 {
		return 0, l.mismatch(0, "a priority from <0> to <191>")
	}
	if err := l.row.Int(0, int64(p/8), 1); err != nil {
		return 0, err
	}
	return n + 1, l.row.Int(1, int64(p%8), 1)
}

// syslog3164 is a message of the BSD syslog protocol as programs write it (RFC 3164, section 4.1): the priority is missing in
// files, and the timestamp, which has no year and no zone, is a text; rsyslog writes one by RFC 3339 in its place, which can
// be read by types: {timestamp: timestamp}.
type syslog3164 struct{}

const (
	time3164 = 2 + iota
	host3164
	app3164
	pid3164
	msg3164
)

func (syslog3164) columns() []column.Column {
	return []column.Column{
		{Name: "facility", Type: column.Int}, {Name: "severity", Type: column.Int}, {Name: "timestamp"}, {Name: "hostname"},
		{Name: "app_name"}, {Name: "proc_id"}, {Name: "message"},
	}
}

func (syslog3164) members(int) int { return 0 }

func (s syslog3164) read(l *line) error {
	at := 0
	if len(l.text) > 0 && l.text[0] == '<' {
		var err error
		if at, err = priority(l); err != nil {
			return err
		}
	} else {
		l.row.Null(0)
		l.row.Null(1)
	}
	n := s.timestamp(l.text[at:])
	if n == 0 {
		return l.mismatch(at, `a timestamp such as "Oct 11 22:14:15" and a space`)
	}
	if err := l.field(time3164, at, at+n); err != nil {
		return err
	}
	at += n + 1
	if n = bytes.IndexByte(l.text[at:], ' '); n <= 0 {
		return l.mismatch(at, `"hostname" and a space`)
	}
	if err := l.field(host3164, at, at+n); err != nil {
		return err
	}
	return s.message(l, at+n+1)
}

// timestamp is the length of the timestamp that text begins with, 0 if that is none.
func (syslog3164) timestamp(text []byte) int {
	const shape = "Mmm dd hh:mm:ss"
	if len(text) > len(shape) && text[len(shape)] == ' ' && text[0]|0x20 >= 'a' {
		for i := range shape {
			c, digit := text[i], text[i]-'0' <= 9
			switch shape[i] {
			case ' ', ':':
				if c != shape[i] {
					return 0
				}
			case 'd':
				if !digit && (c != ' ' || i > 4) { // days below 10 have a space
					return 0
				}
			case 'h', 's':
				if !digit {
					return 0
				}
			case 'm':
				if i > 2 && !digit {
					return 0
				}
			}
		}
		return len(shape)
	}
	if n := bytes.IndexByte(text, ' '); n > 0 && text[0]-'0' <= 9 && bytes.IndexByte(text[:n], 'T') > 0 {
		return n
	}
	return 0
}

// message writes app[pid]: message, of which the message alone must be there.
func (syslog3164) message(l *line, at int) error {
	i := at
	for i < len(l.text) && l.text[i] > ' ' && l.text[i] != '[' && l.text[i] != ':' {
		i++
	}
	end, pid := i, [2]int{}
	if i < len(l.text) && l.text[i] == '[' {
		if n := bytes.IndexByte(l.text[i:], ']'); n > 1 {
			pid = [2]int{i + 1, i + n}
			end = i + n + 1
		}
	}
	if i == at || end == len(l.text) || l.text[end] != ':' { // it is no tag
		l.row.Null(app3164)
		l.row.Null(pid3164)
		return l.field(msg3164, at, len(l.text))
	}
	if err := l.field(app3164, at, i); err != nil {
		return err
	}
	if pid[1] == 0 {
		l.row.Null(pid3164)
	} else if err := l.field(pid3164, pid[0], pid[1]); err != nil {
		return err
	}
	if end++; end < len(l.text) && l.text[end] == ' ' {
		end++
	}
	return l.field(msg3164, end, len(l.text))
}
