package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // images without a file system have no time zones
)

func main() {
	quietRedis()
	signal.Ignore(syscall.SIGPIPE) // the stdout sink says what a closed pipe means
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	c := &command{in: os.Stdin, out: os.Stdout, err: os.Stderr, color: isTerminal(os.Stderr), signals: signals, plugins: plugins()}
	os.Exit(c.execute(context.Background(), os.Args[1:]))
}
