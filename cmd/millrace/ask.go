package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// agreed is nil if the flag --yes was given, or somebody on the terminal says yes. Otherwise it says why done ("changed", "sent") nothing was.
func (c *command) agreed(ctx context.Context, yes bool, question, done string) error {
	switch {
	case yes:
		return nil
	case !terminal(c.in):
		return fmt.Errorf("nobody is here to be asked: nothing was %s; add --yes", done)
	case !c.ask(ctx, question):
		return fmt.Errorf("nothing was %s; --yes goes on without asking", done)
	}
	return nil
}

// ask reads an answer. Anything but yes is no, and so is the end of ctx, after which the reader is left to itself.
func (c *command) ask(ctx context.Context, question string) bool {
	fmt.Fprint(c.out, question)
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(c.in).ReadString('\n')
		answers <- answer
	}()
	select {
	case <-ctx.Done():
		return false
	case answer := <-answers:
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true
		}
	}
	return false
}

// terminal reports whether somebody may answer there.
func terminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
