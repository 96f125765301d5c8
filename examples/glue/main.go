// Command glue prints messages of the AWS Glue Schema Registry as JSON: lines of base64 in, lines of JSON out.
//
//	AWS_REGION=eu-west-1 go run ./examples/glue < messages.txt
//
// Nothing else of Millrace is in it: no Kafka client, no sink.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout, os.Getenv("GLUE_ENDPOINT")); err != nil {
		fmt.Fprintln(os.Stderr, "glue:", err)
		os.Exit(1)
	}
}

// run decodes what in holds. endpoint is "" for AWS's own.
func run(ctx context.Context, in io.Reader, out io.Writer, endpoint string) error {
	config := glue.DefaultConfig() // the region is that of AWS_REGION, the credentials are found as the AWS SDK does
	config.Endpoint = endpoint
	decoder, err := config.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = decoder.Close() }()
	tape := serde.NewTape() // holds the values, until Reset
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		message, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			return err
		}
		tape.Reset()
		value, err := decoder.Decode(ctx, tape, "clicks", message)
		if err != nil {
			return err
		}
		text, err := value.AppendJSON(nil)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
			return err
		}
	}
	return lines.Err()
}
