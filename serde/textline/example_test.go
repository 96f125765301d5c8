package textline_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
	"github.com/millrace/millrace/serde/textline"
)

func Example() {
	config := textline.DefaultConfig()
	config.Pattern = "syslog_rfc3164"
	decoder, err := textline.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := decoder.Decode(context.Background(), serde.NewTape(), "logs", []byte("<34>Oct 11 22:14:15 mymachine su[7]: failed\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := v.AppendJSON(nil)
	fmt.Println(string(out), err)
	// Output:
	// {"facility":4,"severity":2,"timestamp":"Oct 11 22:14:15","hostname":"mymachine","app_name":"su","proc_id":"7","message":"failed"} <nil>
}

// A line of a format of one's own.
func Example_regexp() {
	config := textline.DefaultConfig()
	config.Regexp = `(?P<at>\S+) (?P<level>[A-Z]+) (?P<ms>\d+)ms (?P<message>.*)`
	config.Types = []column.Column{{Name: "at", Type: column.Timestamp}, {Name: "ms", Type: column.Int}}
	decoder, err := textline.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := decoder.Decode(context.Background(), serde.NewTape(), "logs", []byte("2026-01-31T08:15:30Z WARN 17ms no route"))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := v.AppendJSON(nil)
	fmt.Println(string(out), err)
	// Output:
	// {"at":"2026-01-31T08:15:30Z","level":"WARN","ms":17,"message":"no route"} <nil>
}
