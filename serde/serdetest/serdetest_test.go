package serdetest_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/serde/serdetest"
)

func TestJSON(t *testing.T) {
	d, err := json.New(json.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	serdetest.Test(t, d, []serdetest.Sample{
		{Name: "object", Topic: "t", Data: []byte(`{"id":9007199254740993,"pos":{"lat":40.40,"lng":-0.5e1},"tags":["a\u00e9","ə",null,true]}`),
			JSON: `{"id":9007199254740993,"pos":{"lat":40.40,"lng":-0.5e1},"tags":["a\u00e9","ə",null,true]}`},
		{Name: "lines", Topic: "t", Data: []byte("{\n  \"a\": [1, 2]\n}\n"), JSON: `{"a":[1,2]}`},
		{Name: "scalar", Topic: "t", Data: []byte(` 12.50 `), JSON: `12.50`},
	})
}

func TestString(t *testing.T) {
	serdetest.Test(t, serde.StringDecoder{}, []serdetest.Sample{
		{Name: "text", Data: []byte("Bakı \"1\"\n"), JSON: `"Bakı \"1\"\n"`},
		{Name: "empty", Data: []byte{}, JSON: `""`},
	})
}

func TestBytes(t *testing.T) {
	serdetest.Test(t, serde.BytesDecoder{}, []serdetest.Sample{
		{Name: "bytes", Data: []byte{0, 0xFF, 'a'}, JSON: `"AP9h"`},
		{Name: "empty", Data: []byte{}, JSON: `""`},
	})
}
