package glue_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

// A value that AWS's serializer for Java wrote, as JSON.
func Example() {
	ctx, message := context.Background(), []byte("\x03\x00...") // of a record

	c := glue.DefaultConfig()
	c.Region = "eu-west-1"
	d, err := c.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	v, err := d.Decode(ctx, serde.NewTape(), "", message)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := v.AppendJSON(nil)
	fmt.Println(string(text), err)
}
