package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// The oracle of items: they are decoded into the SDK's types, by encoding/json, and sizes and numbers are calculated by other ways.

// decodeItem reads the members that item appends.
func decodeItem(members []byte) (map[string]types.AttributeValue, error) {
	return decodeMap([]byte("{" + string(members) + "}"))
}

func decodeMap(text []byte) (map[string]types.AttributeValue, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%.200s: %w", text, err)
	}
	item := map[string]types.AttributeValue{}
	for name, text := range raw {
		var err error
		if item[name], err = decodeValue(text); err != nil {
			return nil, err
		}
	}
	return item, nil
}

func decodeValue(text []byte) (types.AttributeValue, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || len(raw) != 1 {
		return nil, fmt.Errorf("%.200s isn't an attribute's value", text)
	}
	for kind, text := range raw {
		switch kind {
		case "S":
			v := &types.AttributeValueMemberS{}
			return v, strict(text, &v.Value)
		case "N":
			v := &types.AttributeValueMemberN{}
			return v, strict(text, &v.Value)
		case "B":
			v := &types.AttributeValueMemberB{}
			return v, strict(text, &v.Value)
		case "BOOL":
			v := &types.AttributeValueMemberBOOL{}
			return v, strict(text, &v.Value)
		case "NULL":
			v := &types.AttributeValueMemberNULL{}
			return v, strict(text, &v.Value)
		case "SS":
			v := &types.AttributeValueMemberSS{}
			return v, strict(text, &v.Value)
		case "NS":
			v := &types.AttributeValueMemberNS{}
			return v, strict(text, &v.Value)
		case "BS":
			v := &types.AttributeValueMemberBS{}
			return v, strict(text, &v.Value)
		case "L":
			return decodeList(text)
		case "M":
			m, err := decodeMap(text)
			return &types.AttributeValueMemberM{Value: m}, err
		}
	}
	return nil, fmt.Errorf("%.200s has an unknown type", text)
}

func decodeList(text []byte) (types.AttributeValue, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	list := &types.AttributeValueMemberL{}
	for _, text := range raw {
		v, err := decodeValue(text)
		if err != nil {
			return nil, err
		}
		list.Value = append(list.Value, v)
	}
	return list, nil
}

func strict(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// itemSize is DynamoDB's count of an item.
func itemSize(item map[string]types.AttributeValue) int {
	size := 0
	for name, v := range item {
		size += len(name) + valueSize(v)
	}
	return size
}

func valueSize(v types.AttributeValue) (size int) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return decimalSize(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		return len(strings.Join(v.Value, ""))
	case *types.AttributeValueMemberBS:
		return len(bytes.Join(v.Value, nil))
	case *types.AttributeValueMemberNS:
		for _, n := range v.Value {
			size += decimalSize(n)
		}
		return size
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			size += 1 + valueSize(e)
		}
		return size + 3
	case *types.AttributeValueMemberM:
		return itemSize(v.Value) + len(v.Value) + 3
	}
	return 1
}

// decimalSize is the count of a number, by its digits in the base 100.
func decimalSize(text string) int {
	coefficient, exponent := coefficientOf(text)
	if coefficient.Sign() == 0 {
		return 1
	}
	if exponent%2 != 0 { // so that pairs of digits begin at the point
		coefficient.Mul(coefficient, big.NewInt(10))
	}
	hundred, rest, pairs := big.NewInt(100), new(big.Int), 0
	negative := coefficient.Sign() < 0
	for coefficient.Sign() != 0 {
		coefficient.QuoRem(coefficient, hundred, rest)
		if pairs > 0 || rest.Sign() != 0 {
			pairs++
		}
	}
	if negative && pairs < 20 {
		return pairs + 2
	}
	return pairs + 1
}

// coefficientOf is a number as coefficient times ten to the exponent.
func coefficientOf(text string) (*big.Int, int) {
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	exponent, _ := strconv.Atoi(power)               // none is 0, and one of too many digits the largest
	exponent = max(min(exponent, 1<<40), -(1 << 40)) // which can still be added to
	whole, fraction, _ := strings.Cut(mantissa, ".")
	coefficient, _ := new(big.Int).SetString(whole+fraction, 10)
	return coefficient, exponent - len(fraction)
}

// storable reports whether DynamoDB holds the number exactly.
func storable(text string) bool {
	coefficient, exponent := coefficientOf(text)
	digits := strings.TrimLeft(coefficient.String(), "-")
	if digits == "0" {
		return true
	}
	first := exponent + len(digits) - 1
	return len(strings.TrimRight(digits, "0")) <= 38 && first <= 125 && first >= -130
}

// same compares a value with what was stored of it, numbers exactly.
func same(v serde.Value, stored types.AttributeValue) error {
	bad := func() error {
		text, _ := v.AppendJSON(nil)
		return fmt.Errorf("%.300s became %T %.300v", text, stored, stored)
	}
	switch s := stored.(type) {
	case *types.AttributeValueMemberNULL:
		if v.Kind() == serde.Null && s.Value {
			return nil
		}
	case *types.AttributeValueMemberBOOL:
		if yes, ok := v.Bool(); ok && yes == s.Value {
			return nil
		}
	case *types.AttributeValueMemberS:
		if text, err := v.AppendText(nil); err == nil && string(text) == s.Value {
			return nil
		}
	case *types.AttributeValueMemberB:
		if text, ok := v.Text(); ok && v.Kind() == serde.Bytes && bytes.Equal(text, s.Value) {
			return nil
		}
	case *types.AttributeValueMemberN:
		if text, err := v.AppendJSON(nil); err == nil && sameNumber(string(text), s.Value) {
			return nil
		}
	case *types.AttributeValueMemberL:
		if v.Kind() != serde.Array || v.Len() != len(s.Value) {
			return bad()
		}
		for i, stored := range s.Value {
			if err := same(v.Index(i), stored); err != nil {
				return err
			}
		}
		return nil
	case *types.AttributeValueMemberM:
		if v.Kind() != serde.Object || v.Len() != len(s.Value) {
			return bad()
		}
		for name, stored := range s.Value {
			if err := same(v.Field(name), stored); err != nil {
				return err
			}
		}
		return nil
	}
	return bad()
}

func sameNumber(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}

// compiled is an encoder for a table with the partition key id of type S.
func compiled(t testing.TB, change func(*Config)) *itemEncoder {
	t.Helper()
	c := DefaultConfig()
	c.Key = []Attribute{{"id", "key"}}
	c.Item = "value"
	if change != nil {
		change(&c)
	}
	e, err := c.encoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// one is a batch of one record with a text for a key and JSON for a value.
func one(t testing.TB, key, value string) *connector.Batch {
	t.Helper()
	b := connector.NewBatch(connector.Source{Partition: connector.Partition{Topic: "trips"}},
		[]connector.Record{{RawKey: []byte(key), RawValue: []byte(value), Timestamp: 1_767_225_600_123, Offset: 7}}, nil)
	b.Decode(t.Context(), serde.StringDecoder{}, jsonDecoder(t))
	if err := b.Err(0); err != nil {
		t.Fatal(err)
	}
	return b
}

func jsonDecoder(t testing.TB) serde.Decoder {
	t.Helper()
	d, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return d
}
