// Command tcpwatch shows the life of every TCP socket of a Linux host and
// checks it against the TCP state machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A write to a closed pipe is an error to end quietly on, not a deadly signal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	code := run(ctx, hostEnv(), os.Args[1:])
	stop()
	os.Exit(code)
}
