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
	code := run(ctx, hostEnv(), os.Args[1:])
	stop()
	os.Exit(code)
}
