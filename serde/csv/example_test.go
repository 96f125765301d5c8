package csv_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
	"github.com/millrace/millrace/serde/csv"
)

func Example() {
	config := csv.DefaultConfig()
	config.Columns = []column.Column{
		{Name: "id", Type: column.Int},
		{Name: "car"},
		{Name: "price", Type: column.Decimal},
		{Name: "at", Type: column.Timestamp, Format: "dd.MM.yyyy HH:mm", Zone: "UTC"},
	}
	decoder, err := csv.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, record := range []string{`7,"99-HT-472, blue",12.50,31.01.2026 08:15`, "7,99-HT-472,cheap,"} {
		v, err := decoder.Decode(context.Background(), serde.NewTape(), "cars", []byte(record))
		if err != nil {
			fmt.Println(err)
			continue
		}
		out, err := v.AppendJSON(nil)
		fmt.Println(string(out), err)
	}
	// Output:
	// {"id":7,"car":"99-HT-472, blue","price":12.50,"at":"2026-01-31T08:15:00Z"} <nil>
	// csv: column 3 "price" at byte 12: expected decimal, found "xxxxx"
}
