package serde_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/serde"
)

func Example() {
	tape := serde.NewTape()
	v, err := tape.JSON([]byte(`{"car":"99-HT-472","pos":{"lat":40.409264,"lng":49.867092},"id":9007199254740993}`), serde.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	lat, err := serde.CompilePath("pos.lat")
	if err != nil {
		fmt.Println(err)
		return
	}
	degrees, ok := v.Get(lat).Float64()
	fmt.Println(degrees, ok)

	// Remove pos, add city, and write the object: id is as it was, digit for digit.
	v, err = tape.With(v, []string{"pos", "city"}, []serde.Value{{}, tape.String("Bakı")})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := v.AppendJSON(nil)
	fmt.Println(string(out), err)
	// Output:
	// 40.409264 true
	// {"car":"99-HT-472","id":9007199254740993,"city":"Bakı"} <nil>
}

// csv decodes records such as "99-HT-472;40.409264;49.867092".
type csv struct{}

func (csv) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	fields := strings.Split(string(data), ";")
	if len(fields) != 3 {
		return serde.Value{}, fmt.Errorf("decode csv: %d fields, expected 3", len(fields))
	}
	values := []serde.Value{t.String(fields[0])}
	for _, text := range fields[1:] {
		number, err := t.Decimal([]byte(text))
		if err != nil {
			return serde.Value{}, fmt.Errorf("decode csv: %w", err)
		}
		values = append(values, number)
	}
	return t.Object([]string{"car", "lat", "lng"}, values), nil
}

// A decoder of a format of one's own.
func ExampleDecoder() {
	v, err := csv{}.Decode(context.Background(), serde.NewTape(), "cars", []byte("99-HT-472;40.409264;49.867092"))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := v.AppendJSON(nil)
	fmt.Println(string(out), err)
	// Output: {"car":"99-HT-472","lat":40.409264,"lng":49.867092} <nil>
}
