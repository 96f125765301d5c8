package table

import (
	"errors"
	"testing"
)

func TestCompiled(t *testing.T) {
	var c Compiled[*int]
	made := 0
	compile := func(*Schema) (*int, error) { made++; return new(int), nil }
	schemas := make([]*Schema, 3*mostCompiled)
	for i := range schemas {
		schemas[i] = new(Schema)
		first, err := c.Of(schemas[i], compile)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := c.Of(schemas[i], compile); again != first || made != i+1 {
			t.Fatalf("schema %d is compiled again: %d times in all", i, made)
		}
		if n := len(c.made); n > mostCompiled {
			t.Fatalf("%d are kept", n)
		}
	}
	failed := new(Schema)
	if _, err := c.Of(failed, func(*Schema) (*int, error) { return nil, errors.New("not now") }); err == nil {
		t.Error("no error")
	}
	if v, err := c.Of(failed, compile); v == nil || err != nil {
		t.Errorf("an error is kept: %v", err)
	}
}
