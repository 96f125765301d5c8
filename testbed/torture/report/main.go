// Command report prints the table of a torture.jsonl that it reads from its standard input. It exits with 1 where a number isn't 0 that has to be.
package main

import (
	"fmt"
	"os"

	"github.com/millrace/millrace/testbed/torture"
)

func main() {
	ok, err := torture.PrintTable(os.Stdout, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	if !ok || err != nil {
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}
