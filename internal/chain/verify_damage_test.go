package chain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// Each damage is found, and nothing else is: the exact links, keys and offsets stand in the report.
func TestVerifyDamage(t *testing.T) {
	type finding struct {
		fault   chain.Fault
		records int64
		text    string // parts, between "..."
	}
	kafka := func(logs ...chain.Log) func(m *mill, o *chain.VerifyOptions) {
		return func(m *mill, o *chain.VerifyOptions) { o.Logs = m.logs(logs...) }
	}
	one := chain.Log{Partition: 1, End: 3, Committed: -1}
	for _, test := range []struct {
		name   string
		damage func(m *mill)
		with   func(m *mill, o *chain.VerifyOptions)
		want   []finding
	}{
		{"deleted link", func(m *mill) { m.store.Delete(m.key(3)) }, nil, []finding{
			{chain.FaultLost, 5, "link 3 of partition cars/0 is missing (lake/_millrace/main/lkc-1/1f0a93c2000000000000000000000007/0/00000000000000000003.json): nothing says what became of offsets 30 to 34"}}},
		{"deleted links with objects", func(m *mill) { m.store.Delete(m.key(1)); m.store.Delete(m.key(2)) }, nil, []finding{
			{chain.FaultLost, 20, "links 1 to 2 of...are missing (...offsets 10 to 29"},
			{chain.FaultUnnamed, 6, "lake/cars/0/cars+0+0000000010-0000000001-00000001.json.gz (6 rows) is not named by any link"},
			{chain.FaultUnnamed, 4, "lake/cars/0/cars+0+0000000011-0000000001-00000002.json.gz (4 rows)"},
			{chain.FaultUnnamed, 7, "lake/cars/0/cars+0+0000000020-0000000002-00000003.json.gz (7 rows)"}}},
		{"deleted root", func(m *mill) { m.store.Delete(m.key(0)) }, nil, []finding{
			{chain.FaultLost, 0, "link 0 of...is missing (...): nothing says where the chain began; the first link that is there begins at offset 10"}}},
		{"deleted rewind", func(m *mill) { m.store.Delete(m.key(6)) }, nil, []finding{
			{chain.FaultLost, 0, "link 6 of...with a rewind among them: offsets 45 and later were written, and then the chain went back to 35"},
			{chain.FaultCorrupt, 0, "link 7 of...newest rewind is link 6, and it is 0"}}},
		{"deleted seal", func(m *mill) { m.store.Delete(m.key(5)) }, nil, []finding{
			{chain.FaultLost, 0, "link 5 of...is missing...the link before ends with offset 44, and the one behind begins at 45"}}},
		{"link that is no link", func(m *mill) { m.replace(m.key(2), []byte("{")) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 2 of partition cars/0 is unreadable (it is no link: ...): nothing says what became of offsets 20 to 29"},
			{chain.FaultUnnamed, 7, "cars+0+0000000020-0000000002-00000003.json.gz"}}},
		{"newest link that is no link", func(m *mill) { m.replace(m.key(7), nil) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 7 of...: what it says of offsets from 35 on isn't known"},
			{chain.FaultUnnamed, 12, "cars+0+0000000035-0000000007-00000005.json.gz"}}},
		{"link of another number", func(m *mill) { m.edit(4, func(l *chain.Link) { l.Seq = 5 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 4 of...it says that its number is 5...offsets 35 to 44"},
			{chain.FaultUnnamed, 9, "cars+0+0000000035-0000000004-00000004.json.gz"}}},
		{"begins too early", func(m *mill) { m.edit(2, func(l *chain.Link) { l.From = 17 }) }, nil, []finding{
			{chain.FaultRepeated, 3, "two links of partition cars/0 speak for offsets 17 to 19: link 2 begins at 17, and the one before ends with 19"}}},
		{"begins too late", func(m *mill) { m.edit(4, func(l *chain.Link) { l.From = 36; l.Objects[0].First, l.First = 36, 36 }) }, nil, []finding{
			{chain.FaultLost, 1, "no link of partition cars/0 speaks for offsets 35: link 4 begins at 36"}}},
		{"ends too late", func(m *mill) { m.edit(1, func(l *chain.Link) { l.Next = 22 }) }, nil, []finding{
			{chain.FaultRepeated, 2, "offsets 20 to 21: link 2 begins at 20, and the one before ends with 21"}}},
		{"ends too early", func(m *mill) {
			m.edit(7, func(l *chain.Link) { l.Next, l.Last, l.Objects[0].Last = 46, 45, 45 })
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "link 7 of...(offsets 35 to 45): it counts 12 records in 11 offsets"}}},
		{"swapped counts", func(m *mill) {
			m.edit(2, func(l *chain.Link) { l.Counts.Written, l.Counts.Filtered = l.Counts.Filtered, l.Counts.Written })
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "link 2 of partition cars/0 (offsets 20 to 29): it counts 3 records as written, and its objects have 7 rows"}}},
		{"a record that went nowhere", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Counts.Filtered, l.Counts.Buried = 1, 1 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "10 records were read and 2 emitted, but 7 written, 1 filtered and 1 buried"}}},
		{"a record too many", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Counts.Filtered = 4 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "but 7 written, 4 filtered and 2 buried"}}},
		{"negative count", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Counts.Filtered, l.Counts.Buried = 6, -1 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "a count is below 0"}}},
		{"records outside", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Last = 30 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "its records have the offsets 20 to 30"}}},
		{"records of none read", func(m *mill) {
			m.edit(5, func(l *chain.Link) { l.Kind, l.Next = chain.KindData, 46; l.First, l.Last = 45, 45 })
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "link 5 of...it read no record, and says that they have the offsets 45 to 45"},
			{chain.FaultRepeated, 1, "offsets 45: link 6 begins at 45"}}},
		{"rows outside", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Objects[0].First = 19 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "the rows of object lake/cars/0/cars+0+0000000020-0000000002-00000003.json.gz have the offsets 19 to 29"}}},
		{"empty object", func(m *mill) {
			m.edit(2, func(l *chain.Link) { l.Objects[0].Rows, l.Counts.Written, l.Counts.Filtered = 0, 0, 10 })
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "has 0 rows and "},
			{chain.FaultCorrupt, 0, "it has 7 rows"}}},
		{"name of another link", func(m *mill) { m.edit(2, func(l *chain.Link) { l.Objects[0].Tail = "99999999" }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "doesn't end in number and tail 99999999"}}},
		{"unknown kind", func(m *mill) { m.edit(5, func(l *chain.Link) { l.Kind = "pause" }) }, nil, []finding{
			{chain.FaultCorrupt, 0, `link 5 of...there is no kind "pause"`}}},
		{"seal with a range", func(m *mill) { m.edit(5, func(l *chain.Link) { l.Next = 46 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "a seal speaks for no offsets"},
			{chain.FaultRepeated, 1, "offsets 45"}}},
		{"gap of another range", func(m *mill) { m.edit(3, func(l *chain.Link) { l.Gap.To = 34 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 3 of...its gap isn't the range that it speaks for"}}},
		{"gap in data", func(m *mill) { m.edit(4, func(l *chain.Link) { l.Gap = &chain.Gap{From: 35, To: 45} }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "only a link of kind gap has a gap"}}},
		{"gap with counts", func(m *mill) { m.edit(3, func(l *chain.Link) { l.Counts.Filtered = 5 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "a link of kind gap has neither counts nor objects"}}},
		{"rewind that goes on", func(m *mill) { m.edit(6, func(l *chain.Link) { l.Next = 46 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "a rewind goes back, not on to 46"},
			{chain.FaultRepeated, 11, "offsets 35 to 45"}}},
		{"rewind that forgets itself", func(m *mill) { m.edit(6, func(l *chain.Link) { l.Rewind = 0 }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "a rewind names itself as the newest, not 0"},
			{chain.FaultCorrupt, 0, "link 7 of...newest rewind is link 6, and it is 0"}}},
		{"empty data", func(m *mill) { m.edit(5, func(l *chain.Link) { l.Kind = chain.KindData }) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 5 of...it speaks for no offsets"}}},
		{"link of another connector", func(m *mill) { m.edit(4, func(l *chain.Link) { l.Owner.Connector = "bikes" }) }, nil, []finding{
			{chain.FaultCorrupt, 0, `link 4 of partition cars/0 (offsets 35 to 44) is of connector "bikes" with group "cars" in cluster lkc-1, and the chain of connector "cars"`}}},
		{"links of another cluster", func(m *mill) {
			elsewhere := m.id(1)
			elsewhere.Cluster = "lkc-2"
			m.replace(elsewhere.Key(0), m.links[1][0].Encode())
		}, nil, []finding{
			{chain.FaultCorrupt, 0, `link 0 of partition cars/1 (offsets none (at 0)) is of connector "cars" with group "cars" in cluster lkc-1, and the chain of connector "cars" with group "cars" in cluster lkc-2`}}},
		{"owner that can't be read", func(m *mill) { m.replace(chain.OwnerKey("lake", "main"), []byte("cars")) }, nil, []finding{
			{chain.FaultCorrupt, 0, "lake/_millrace/main/owner.json can't be read"}}},
		{"strangers among the links", func(m *mill) {
			m.replace("lake/_millrace/main/notes.txt", nil)
			m.replace("lake/_millrace/main/lkc-1/x/0/00000000000000000000.json", nil)
			m.replace(m.id(0).Dir()+"3.json", nil)
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "0/3.json is no link"},
			{chain.FaultCorrupt, 0, "lake/_millrace/main/lkc-1/x/0/00000000000000000000.json is no link"},
			{chain.FaultCorrupt, 0, "lake/_millrace/main/notes.txt is no link"}}},
		{"deleted object", func(m *mill) { m.store.Delete(m.object(1, 1).Key) }, nil, []finding{
			{chain.FaultLost, 4, "lake/cars/0/cars+0+0000000011-0000000001-00000002.json.gz (4 rows, offsets 11 to 19 of partition cars/0, link 1) isn't there"}}},
		{"deleted object of the newest link", func(m *mill) { m.store.Delete(m.object(7, 0).Key) }, nil, []finding{
			{chain.FaultLost, 12, "(12 rows, offsets 35 to 46 of partition cars/0, link 7) isn't there, and neither is its upload"}}},
		{"truncated object", func(m *mill) { m.replace(m.object(4, 0).Key, rows(9)[:20]) }, nil, []finding{
			{chain.FaultCorrupt, 0, "(9 rows, offsets 35 to 44 of partition cars/0, link 4) isn't what the link says: it has 20 bytes, not"}}},
		{"changed object", func(m *mill) {
			body := rows(7)
			body[4] ^= 1 // of the modification time in gzip's header: the rows stay
			m.replace(m.object(2, 0).Key, body)
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "link 2) isn't what the link says: its CRC-32C is "}}},
		{"object not in any link", func(m *mill) { m.replace("lake/cars/0/cars+0+0000000011-0000000001-0000beef.json.gz", rows(2)) }, nil, []finding{
			{chain.FaultUnnamed, 2, "lake/cars/0/cars+0+0000000011-0000000001-0000beef.json.gz (2 rows) is not named by any link"}}},
		{"object named twice", func(m *mill) {
			again := m.object(1, 1)
			m.edit(1, func(l *chain.Link) { l.Objects[0] = again; l.Counts.Read, l.Counts.Written, l.Counts.Emitted = 4, 8, 4 })
		}, nil, []finding{
			{chain.FaultCorrupt, 0, "cars+0+0000000011-0000000001-00000002.json.gz (offsets 11 to 19 of partition cars/0) is named twice: by lake/_millrace/...1.json and by lake/_millrace/...1.json"},
			{chain.FaultUnnamed, 6, "cars+0+0000000010-0000000001-00000001.json.gz"}}},
		{"end of the chain missing", func(m *mill) { m.store.Delete(m.key(7)); m.store.Delete(m.object(7, 0).Key) },
			kafka(chain.Log{Start: 30, End: 50, Committed: 47, Hint: chain.Hint{Chain: "main", Seq: 7}}, one), []finding{
				{chain.FaultLost, 12, "the end of the chain of partition cars/0 is missing: its newest link is 6, and the group's offset 47 was committed after link 7: offsets 35 to 46 were written"}}},
		{"whole chain missing", func(m *mill) {
			for _, l := range m.links[1] {
				m.store.Delete(m.id(1).Key(l.Seq))
			}
		}, kafka(chain.Log{End: 47}, chain.Log{Partition: 1, End: 3, Committed: 3, Hint: chain.Hint{Chain: "main", Seq: 1}}), []finding{
			{chain.FaultLost, 0, "the end of the chain of partition cars/1 is missing: its newest link is -1, and the group's offset 3 was committed after link 1"}}},
		{"expired before it was read", func(*mill) {}, kafka(chain.Log{Start: 49, End: 50, Committed: -1}, one), []finding{
			{chain.FaultLost, 2, "offsets 47 to 48 of partition cars/0 are gone from Kafka, and no link speaks for them"}}},
		{"truncated topic", func(*mill) {}, kafka(chain.Log{Start: 0, End: 45, Committed: -1}, one), []finding{
			{chain.FaultKafka, 0, "the chain of partition cars/0 goes on to offset 47, and Kafka's log ends at 45"}}},
		{"deep: fewer rows", func(m *mill) { m.rewrite(4, rows(8)) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 4) isn't what the link says: it has 8 rows"}}},
		{"deep: cut within", func(m *mill) { m.rewrite(4, rows(9)[:30]) }, nil, []finding{
			{chain.FaultCorrupt, 0, "link 4) isn't what the link says: it can't be decompressed: unexpected EOF"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fullMill(t)
			test.damage(m)
			o := m.options()
			o.Deep = true
			if test.with != nil {
				test.with(m, &o)
			}
			r := m.verify(shelf{Memory: m.store}, o)
			left := slices.Clone(r.Problems)
			for _, f := range test.want {
				i := slices.IndexFunc(left, func(p chain.Problem) bool {
					return p.Fault == f.fault && p.Records == f.records && holds(p.Text, f.text)
				})
				if i < 0 {
					t.Errorf("not found: %+v", f)
					continue
				}
				left = slices.Delete(left, i, i+1)
			}
			if t.Failed() || len(left) > 0 {
				t.Errorf("found %d problems, %d of them not looked for:", len(r.Problems), len(left))
				for _, p := range r.Problems {
					t.Errorf("%s %d: %s", p.Fault, p.Records, p.Text)
				}
			}
		})
	}
}

// holds reports whether the parts of want, which "..." stands between, are in text one after the other.
func holds(text, want string) bool {
	for part := range strings.SplitSeq(want, "...") {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// rewrite changes the only object of a link, and the link with it, so that reading alone can show it.
func (m *mill) rewrite(seq int64, body []byte) {
	m.replace(m.object(int(seq), 0).Key, body)
	m.edit(seq, func(l *chain.Link) { l.Objects[0].Size, l.Objects[0].CRC = int64(len(body)), checksum(body) })
}
