package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

func TestSets(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{`["a","b"]`, `{"SS":["a","b"]}`},
		{`["b","a","b","\u0061","c"]`, `{"SS":["b","a","c"]}`},
		{`[""]`, `{"SS":[""]}`},
		{`[1,2.5,-3]`, `{"NS":["1","2.5","-3"]}`},
		{`[1,1.0,1e0,10e-1,100,1e2,0,-0,0.0]`, `{"NS":["1","100","0"]}`},
		{`[0.1,0.10,9007199254740993,9007199254740992]`, `{"NS":["0.1","9007199254740993","9007199254740992"]}`},
		{`null`, `{"NULL":true}`},
		{`[]`, ``},
	} {
		e := compiled(t, func(c *Config) { c.Sets = []string{"tags", "meta.deep.tags"} })
		for _, at := range []struct{ value, want, none string }{
			{`{"tags":%s}`, `"tags":%s`, ``},
			{`{"tags":%s,"z":1}`, `"tags":%s,"z":{"N":"1"}`, `"z":{"N":"1"}`},
			{`{"meta":{"deep":{"tags":%s,"x":["a"]},"tags":["a"]}}`,
				`"meta":{"M":{"deep":{"M":{"tags":%s,"x":{"L":[{"S":"a"}]}}},"tags":{"L":[{"S":"a"}]}}}`,
				`"meta":{"M":{"deep":{"M":{"x":{"L":[{"S":"a"}]}}},"tags":{"L":[{"S":"a"}]}}}`},
			{`{"meta":[{"deep":{"tags":%s}}]}`, `"meta":{"L":[{"M":{"deep":{"M":{"tags":%s}}}}]}`, `"meta":{"L":[{"M":{"deep":{"M":{}}}}]}`},
		} {
			want := `"id":{"S":"k"}`
			if test.want != "" {
				want += "," + fmt.Sprintf(at.want, test.want)
			} else if at.none != "" {
				want += "," + at.none
			}
			out, size, err := whole(e, nil, one(t, "k", fmt.Sprintf(at.value, test.value)), 0)
			if err != nil || string(out) != want {
				t.Errorf("%s: %s, %v; want %s", test.value, out, err, want)
				continue
			}
			if item, err := decodeItem(out); err != nil || itemSize(item) != size {
				t.Errorf("%s: %d bytes, want %d, %v", out, size, itemSize(item), err)
			}
		}
	}
}

func TestSetsOfBytesAndTimes(t *testing.T) {
	tape := serde.NewTape()
	w := tape.Write([]byte{0, 1, 0}, nil, 10)
	at := w.Begin(serde.Name{}, serde.Array)
	w.Borrow(serde.Name{}, serde.Bytes, 0, 1)
	w.Borrow(serde.Name{}, serde.Bytes, 1, 1)
	w.Borrow(serde.Name{}, serde.Bytes, 2, 1)
	w.End(at, 3)
	v, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, size, err := appendSet(nil, v); err != nil || string(out) != `{"BS":["AA==","AQ=="]}` || size != 2 {
		t.Errorf("%s, %d, %v", out, size, err)
	}
	w = tape.Write([]byte("2026-11-21"), nil, 10)
	at = w.Begin(serde.Name{}, serde.Array)
	w.Date(serde.Name{}, 20_778)
	w.Borrow(serde.Name{}, serde.String, 0, 10) // the same text
	w.Time(serde.Name{}, 0)
	w.End(at, 3)
	if v, err = w.Value(nil); err != nil {
		t.Fatal(err)
	}
	if out, size, err := appendSet(nil, v); err != nil || string(out) != `{"SS":["2026-11-21","00:00:00"]}` || size != 18 {
		t.Errorf("%s, %d, %v", out, size, err)
	}
}

// Large sets take another way to find equal elements.
func TestLargeSets(t *testing.T) {
	for _, n := range []int{15, 16, 17, 18, 100, 5000} {
		var list, want []string
		for i := range n {
			list = append(list, fmt.Sprintf("%d", i), fmt.Sprintf("%d.0", i/2))
			want = append(want, fmt.Sprintf(`"%d"`, i))
		}
		out, _, err := appendSet(nil, parse(t, "["+strings.Join(list, ",")+"]"))
		if wanted := `{"NS":[` + strings.Join(want, ",") + `]}`; err != nil || string(out) != wanted {
			t.Errorf("%d: %.200s, %v; want %.200s", n, out, err, wanted)
		}
	}
}

func TestSetsRefused(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{`{"tags":["a",1]}`, "item (value): attribute tags[1] is stored as N, but the set's first element as S: a set holds one type"},
		{`{"tags":[1,"1"]}`, "attribute tags[1] is stored as S, but the set's first element as N"},
		{`{"tags":["a",null]}`, "attribute tags[1] is of kind null; a set holds texts, numbers or bytes"},
		{`{"tags":[true]}`, "attribute tags[0] is of kind bool"},
		{`{"tags":[["a"]]}`, "attribute tags[0] is of kind array"},
		{`{"tags":"a"}`, "attribute tags is of kind string; sets names it, so that it must be an array"},
		{`{"tags":{}}`, "attribute tags is of kind object"},
		{`{"tags":[1,` + ones39 + `]}`, "attribute tags[1] is the number"},
		{`{"a":[{"tags":[1]},{"tags":[1,{}]}]}`, "attribute a[1].tags[1] is of kind object"},
		{`{"tags":["` + strings.Repeat("x", maxItemSize+1) + `"]}`, "attribute tags has more than 409600 bytes"},
	} {
		e := compiled(t, func(c *Config) { c.Sets = []string{"tags", "a.tags"} })
		out, _, err := whole(e, nil, one(t, "k", test.value), 0)
		if err == nil || !strings.Contains(err.Error(), test.want) || connector.ClassOf(err) != connector.Permanent || len(out) > 0 {
			t.Errorf("%.100s: %v; want %s", test.value, err, test.want)
		}
	}
}
