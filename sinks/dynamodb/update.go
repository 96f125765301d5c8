package dynamodb

import (
	"strconv"

	"github.com/millrace/millrace/connector"
)

// An update is the setting of that name.
type update struct {
	set, add []attribute
	// What each attribute's placeholder stands for, as a member of ExpressionAttributeNames: "#a0":"km".
	setNames, addNames [][]byte

	remove, removeNames []byte // all of them: "#r0, #r1"
	ttlName             []byte // nil if there is no such attribute
}

// compileUpdate is nil where items are put.
func (c Config) compileUpdate() (*update, error) {
	if !c.Update.inUse() {
		return nil, nil
	}
	u := &update{}
	var err error
	if u.set, err = c.attributes("update.set", c.Update.Set); err != nil {
		return nil, err
	}
	if u.add, err = c.attributes("update.add", c.Update.Add); err != nil {
		return nil, err
	}
	for i, a := range u.set {
		u.setNames = append(u.setNames, placeholder("#a", i, a.name))
	}
	for i, a := range u.add {
		u.addNames = append(u.addNames, placeholder("#d", i, a.name))
	}
	for i, name := range c.Update.Remove {
		u.remove = appendItem(u.remove, "#r", i)
		u.removeNames = append(append(u.removeNames, ','), placeholder("#r", i, name)...)
	}
	if c.TTL.Attribute != "" {
		u.ttlName = append([]byte(`"#t":`), quoted(c.TTL.Attribute)...)
	}
	return u, nil
}

func placeholder(prefix string, i int, name string) []byte {
	return append([]byte(`"`+prefix+strconv.Itoa(i)+`":`), quoted(name)...)
}

// appendItem appends a placeholder to a list of them.
func appendItem(dst []byte, prefix string, i int) []byte {
	if len(dst) > 0 {
		dst = append(dst, ", "...)
	}
	return strconv.AppendInt(append(dst, prefix...), int64(i), 10)
}

// guarded: a record changes more than sums, which only the newest may.
func (u *update) guarded() bool {
	return len(u.set) > 0 || len(u.remove) > 0 || u.ttlName != nil || len(u.add) == 0
}

// A changes is what one record changes. Its memory is reused.
type changes struct {
	set, remove, add     []byte // of UpdateExpression
	setNames, addNames   []byte // members of ExpressionAttributeNames, with a comma before each
	setValues, addValues []byte // members of ExpressionAttributeValues, with a comma before each
	size                 int    // of the values with their names
	full                 bool   // all that the setting sets is there
}

func (ch *changes) reset() {
	*ch = changes{
		set: ch.set[:0], remove: ch.remove[:0], add: ch.add[:0], setNames: ch.setNames[:0], addNames: ch.addNames[:0],
		setValues: ch.setValues[:0], addValues: ch.addValues[:0],
	}
}

// read collects what the i-th record changes.
func (u *update) read(ch *changes, s *Sink, b *connector.Batch, i int) error {
	ch.reset()
	ch.full = len(u.add) == 0
	for k := range u.set {
		n := len(ch.setValues)
		values, size, there, err := u.set[k].value(appendValueName(ch.setValues, ":a", k), b, i)
		if err != nil {
			return err
		}
		if !there {
			ch.setValues, ch.full = values[:n], false
			continue
		}
		ch.setValues, ch.size = values, ch.size+size
		ch.set = append(appendItem(ch.set, "#a", k), " = :a"...)
		ch.set = strconv.AppendInt(ch.set, int64(k), 10)
		ch.setNames = append(append(ch.setNames, ','), u.setNames[k]...)
	}
	for k := range u.add {
		n := len(ch.addValues)
		values, size, there, err := u.add[k].addend(appendValueName(ch.addValues, ":d", k), b, i)
		if err != nil {
			return err
		}
		if !there {
			ch.addValues = values[:n]
			continue
		}
		ch.addValues, ch.size = values, ch.size+size
		ch.add = append(appendItem(ch.add, "#d", k), " :d"...)
		ch.add = strconv.AppendInt(ch.add, int64(k), 10)
		ch.addNames = append(append(ch.addNames, ','), u.addNames[k]...)
	}
	ch.remove = append(ch.remove, u.remove...)
	ch.setNames = append(ch.setNames, u.removeNames...)
	return u.readTTL(ch, s, b, i)
}

func appendValueName(dst []byte, prefix string, i int) []byte {
	dst = append(append(dst, ',', '"'), prefix...)
	return append(strconv.AppendInt(dst, int64(i), 10), '"', ':')
}

// readTTL sets the attribute of ttl, or removes it: an item that was deleted and comes back mustn't expire with what the deletion left.
func (u *update) readTTL(ch *changes, s *Sink, b *connector.Batch, i int) error {
	if u.ttlName == nil {
		return nil
	}
	n := len(ch.setValues)
	values, size, there, err := s.items.ttl(append(ch.setValues, `,":t":`...), b, i)
	if err != nil {
		return err
	}
	ch.setNames = append(append(ch.setNames, ','), u.ttlName...)
	if there {
		ch.setValues, ch.size = values, ch.size+size
		if len(ch.set) > 0 {
			ch.set = append(ch.set, ", "...)
		}
		ch.set = append(ch.set, "#t = :t"...)
		return nil
	}
	ch.setValues = values[:n]
	if len(ch.remove) > 0 {
		ch.remove = append(ch.remove, ", "...)
	}
	ch.remove = append(ch.remove, "#t"...)
	return nil
}

// appendUpdate adds the request, or with sums the two, that change the record's item. A record that changes nothing gets none.
func (s *Sink) appendUpdate(rs *rows, x *row, key span, keySize int, b *connector.Batch, i int) error {
	st, err := s.stamp(rs, b, i)
	if err != nil {
		return err
	}
	ch := &rs.changes
	if err := s.update.read(ch, s, b, i); err != nil {
		return err
	}
	if err := checkSize(keySize + ch.size); err != nil {
		return err
	}
	x.operation = opUpdate
	sets, adds := s.update.guarded(), len(ch.add) > 0
	if sets || adds {
		x.request = s.appendChanges(rs, key, st, sets, adds)
	}
	if sets && adds {
		x.addOnly = s.appendChanges(rs, key, st, false, true)
	}
	if ch.full {
		x.covers = coverUpdates
	}
	return nil
}

// appendChanges appends an UpdateItem: of what the newest record sets and removes, of what each adds, or of both.
func (s *Sink) appendChanges(rs *rows, key span, st stamp, sets, adds bool) span {
	ch, g, from := &rs.changes, s.guard, len(rs.text)
	text := append(append(rs.text, `{"TableName":`...), s.table...)
	text = append(append(text, `,"Key":{`...), rs.at(key)...)
	text = append(text, `},"UpdateExpression":"SET `...)
	switch {
	case sets && len(ch.set) > 0:
		text = append(append(text, ch.set...), ", #g = :g"...)
	case sets:
		text = append(text, "#g = :g"...)
	}
	if sets && adds {
		text = append(text, ", "...)
	}
	if adds {
		text = append(text, "#q = :p"...)
	}
	if sets && len(ch.remove) > 0 {
		text = append(append(text, " REMOVE "...), ch.remove...)
	}
	if adds {
		text = append(append(text, " ADD "...), ch.add...)
	}
	text = append(text, `","ConditionExpression":"`...)
	switch {
	case sets && adds:
		text = append(text, "("+newerThan+") AND ("+uncounted+`)","ReturnValuesOnConditionCheckFailure":"ALL_OLD`...)
	case sets:
		text = append(text, newerThan...)
	default:
		text = append(text, uncounted...)
	}
	text = append(text, `","ExpressionAttributeNames":{`...)
	if sets {
		text = append(g.appendNames(text), ch.setNames...)
	}
	if adds {
		if sets {
			text = append(text, ',')
		}
		text = g.appendCounter(append(text, `"#q":`...), rs.source)
		text = append(text, ch.addNames...)
	}
	text = append(text, `},"ExpressionAttributeValues":{`...)
	if sets {
		text = append(g.appendValues(text, st), `,":g":`...)
		text, _ = g.appendMap(text, st, false)
		text = append(text, ch.setValues...)
	} else {
		text = appendStamp(append(text, `":p":`...), st.position, 'N')
	}
	if adds {
		text = append(text, ch.addValues...)
	}
	rs.text = append(text, '}', '}')
	return span{from, len(rs.text)}
}
