package glue_test

import (
	"bytes"
	"testing"

	"github.com/millrace/millrace/serde/glue"
)

func TestHeader(t *testing.T) {
	const text = "4011a9bf-321a-4198-b03f-c24d46147ccb"
	id, err := glue.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, compressed := range []bool{false, true} {
		data := append(glue.AppendHeader([]byte("x"), id, compressed), "payload"...)[1:]
		got, payload, packed, ok := glue.Split(data)
		if !ok || got != id || string(payload) != "payload" || packed != compressed {
			t.Errorf("compressed %t: %x, %q, %t, %t", compressed, got, payload, packed, ok)
		}
	}
	whole := glue.AppendHeader(nil, id, false)
	if want := []byte("\x03\x00\x40\x11\xa9\xbf\x32\x1a\x41\x98\xb0\x3f\xc2\x4d\x46\x14\x7c\xcb"); !bytes.Equal(whole, want) {
		t.Errorf("the header is %x, want %x", whole, want)
	}
	if _, payload, _, ok := glue.Split(whole); !ok || len(payload) != 0 {
		t.Errorf("an empty payload: %q, %t", payload, ok)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "cut": whole[:17], "version": append([]byte{2}, whole[1:]...), "compression": append([]byte{3, 1}, whole[2:]...),
	} {
		if _, _, _, ok := glue.Split(data); ok {
			t.Errorf("%s: taken for a header", name)
		}
	}
	for _, text := range []string{"", text[1:], text + "0", "4011a9bf-321a-4198-b03f-c24d46147ccg", "4011a9bf-321a-4198-b03fc24d46147-ccb", "4011a9bf_321a-4198-b03f-c24d46147ccb"} {
		if _, err := glue.ParseID(text); err == nil {
			t.Errorf("%q was taken for an id", text)
		}
	}
	if upper, err := glue.ParseID("4011A9BF-321A-4198-B03F-C24D46147CCB"); err != nil || upper != id {
		t.Errorf("capital letters: %x, %v", upper, err)
	}
}
