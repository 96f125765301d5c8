package dynamodb

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// FuzzItem: what is written is DynamoDB's JSON of an equal item of that size; what is refused is beyond a limit.
func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{}`, flatRecord, `{"id":"other","a":{"b":[1,2.50,-0,1e2,null,true,{"":1}]}}`, `{"n":[1E400,1E126,1e-131]}`, `{"tags":["a","b","\u0061"],"x":"\ud83d\ude00\n"}`,
		`{"tags":[1,1.0,1e0,2],"m":{"tags":["x"]}}`, `{"m":{"tags":[]}}`, `{"m":[{"tags":["x","y"]}],"tags":null}`, `{"tags":["a",1]}`, `{"tags":[null]}`, `{"tags":"a"}`,
		nested(31, "1"), nested(32, "1"), nested(31, "[]"), `{"` + strings.Repeat("x", 70) + ` ":` + ones39 + `}`,
	} {
		f.Add([]byte(seed))
	}
	e := compiled(f, func(c *Config) { c.Sets = []string{"tags", "m.tags"} })
	f.Fuzz(func(t *testing.T, text []byte) {
		tape := serde.NewTape()
		v, err := tape.JSON(text, serde.Limits{})
		if err != nil {
			return
		}
		b := connector.NewBatch(connector.Source{}, []connector.Record{{Key: tape.String("k"), Value: v}}, nil)
		out, size, err := whole(e, nil, b, 0)
		if err != nil {
			if connector.ClassOf(err) != connector.Permanent || len(out) > 0 || fits(v) {
				t.Fatalf("%q: %v (%s)", text, err, out)
			}
			return
		}
		if !fits(v) {
			t.Fatalf("%q: was taken: %s", text, out)
		}
		item, err := decodeItem(out)
		if err != nil {
			t.Fatal(err)
		}
		if want := itemSize(item); size != want {
			t.Fatalf("%q: %d bytes, want %d", text, size, want)
		}
		if id, ok := item["id"].(*types.AttributeValueMemberS); !ok || id.Value != "k" {
			t.Fatalf("%q: the key is %v", text, item["id"])
		}
		if err := sameItem(v, item, ""); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// sameItem compares objects, in which sets may be.
func sameItem(v serde.Value, item map[string]types.AttributeValue, path string) error {
	for name, member := range v.Members() {
		at := path + "." + name
		if at == ".id" {
			continue
		}
		isSet := at == ".tags" || at == ".m.tags" && v.Kind() == serde.Object
		stored, there := item[name]
		switch {
		case isSet && member.Kind() == serde.Array:
			if err := sameSet(member, stored, there); err != nil {
				return err
			}
		case at == ".m":
			if err := sameBelow(member, stored); err != nil {
				return err
			}
		default:
			if err := same(member, stored); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameBelow compares m, which may be an object with a set, or a list of such.
func sameBelow(v serde.Value, stored types.AttributeValue) error {
	switch s := stored.(type) {
	case *types.AttributeValueMemberM:
		return sameItem(v, s.Value, ".m")
	case *types.AttributeValueMemberL:
		for i, stored := range s.Value {
			if err := sameBelow(v.Index(i), stored); err != nil {
				return err
			}
		}
		return nil
	}
	return same(v, stored)
}

func sameSet(v serde.Value, stored types.AttributeValue, there bool) error {
	var texts []string
	for element := range v.Elements() {
		text, _ := element.AppendText(nil)
		isNew := true
		for _, old := range texts {
			isNew = isNew && old != string(text) && (element.Kind() == serde.String || !sameNumber(old, string(text)))
		}
		if isNew {
			texts = append(texts, string(text))
		}
	}
	var got []string
	switch s := stored.(type) {
	case *types.AttributeValueMemberSS:
		got = s.Value
	case *types.AttributeValueMemberNS:
		got = s.Value
	}
	same := len(got) == len(texts) && there == (v.Len() > 0)
	for i := range got {
		same = same && (got[i] == texts[i] || v.Index(0).Kind() != serde.String && sameNumber(got[i], texts[i]))
	}
	if !same {
		return &pathError{err: problem("set %q became %q", texts, got)}
	}
	return nil
}

// fits is what the limits say of a value as an item.
func fits(v serde.Value) bool {
	if v.Kind() != serde.Object {
		return false
	}
	text, err := v.AppendJSON(nil)
	return err == nil && len(text) < maxItemSize/2 && fitsInside(v, "", 1)
}

func fitsInside(v serde.Value, path string, level int) bool {
	switch v.Kind() {
	case serde.Object:
		for name, member := range v.Members() {
			at := path + "." + name
			isSet := at == ".tags" || at == ".m.tags"
			switch {
			case at == ".id":
			case name == "", isSet && !fitsSet(member), !isSet && !fitsInside(member, at, level+1):
				return false
			}
		}
		return level <= 32
	case serde.Array:
		for element := range v.Elements() {
			if !fitsInside(element, path, level+1) {
				return false
			}
		}
		return level <= 32
	case serde.Int64, serde.Float64, serde.Decimal:
		text, _ := v.AppendJSON(nil)
		return storable(string(text))
	}
	return true
}

func fitsSet(v serde.Value) bool {
	kinds := map[bool]bool{}
	for element := range v.Elements() {
		_, isNumber := element.Number()
		if !isNumber && element.Kind() != serde.String || isNumber && !fitsInside(element, "", 1) {
			return false
		}
		kinds[isNumber] = true
	}
	return len(kinds) <= 1 && (v.Kind() == serde.Array || v.Kind() == serde.Null)
}

// nested is an object whose member a holds a value in so many lists and maps.
func nested(levels int, value string) string {
	for i := range levels {
		if i%2 == 0 {
			value = "[" + value + "]"
		} else {
			value = `{"m` + strconv.Itoa(i) + `":` + value + `}`
		}
	}
	return `{"a":` + value + `}`
}
