package confluent_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
)

// A program that decodes what serializers of a Confluent registry wrote.
func Example() {
	reg := srfake.New() // stands in for a registry
	defer reg.Close()
	reg.SeedSchema("cars-value", 1, 7, sr.Schema{Schema: `{"type":"record","name":"Car","fields":[{"name":"id","type":"long"}]}`})

	config := confluent.DefaultConfig()
	config.URL = []string{reg.URL()}
	decoder, err := config.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer decoder.Close()

	value, err := decoder.Decode(context.Background(), serde.NewTape(), "cars", []byte{0, 0, 0, 0, 7, 84})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := value.AppendJSON(nil)
	fmt.Println(string(text), err, value.Schema().Name, value.Schema().Version)
	// Output: {"id":42} <nil> cars-value 1
}
