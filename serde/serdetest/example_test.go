package serdetest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/serdetest"
)

// flagFormat is a format of a user: a record is the byte 0 or 1.
type flagFormat struct{}

// Decode makes a Bool.
func (flagFormat) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	switch {
	case data == nil:
		return t.Null(), nil
	case len(data) != 1 || data[0] > 1:
		return serde.Value{}, errors.New("flag: " + strconv.Quote(string(data[:min(len(data), 10)])) + " isn't one byte, 0 or 1")
	}
	return t.Bool(data[0] == 1), nil
}

// Encode takes a Bool.
func (flagFormat) Encode(_ context.Context, dst []byte, _ string, v serde.Value) ([]byte, error) {
	b, ok := v.Bool()
	if !ok {
		return dst, fmt.Errorf("flag: the value is of kind %s, want bool", v.Kind())
	}
	if b {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

// flags are a record for each branch of the format.
var flags = []serdetest.Sample{
	{Name: "yes", Data: []byte{1}, JSON: "true"},
	{Name: "no", Data: []byte{0}, JSON: "false"},
}

// The tests of a format's package: they stand in its _test.go file, with names of the form TestDecode and FuzzDecode.
func Example() {
	testDecode := func(t *testing.T) { serdetest.Test(t, flagFormat{}, flags) }
	testEncode := func(t *testing.T) { serdetest.TestEncoder(t, flagFormat{}, flagFormat{}, flags) }
	fuzzDecode := func(f *testing.F) { serdetest.Fuzz(f, flagFormat{}, flags) }
	_, _, _ = testDecode, testEncode, fuzzDecode
}

func TestFlagFormat(t *testing.T) {
	serdetest.Test(t, flagFormat{}, flags)
	serdetest.TestEncoder(t, flagFormat{}, flagFormat{}, flags)
}
