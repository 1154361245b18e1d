// Package notify tells the outside of alerts: each way to tell is a Sink, and a
// Queue before it sees to it that a sink that is slow, or dead, holds up nobody.
package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Sink tells somebody of alerts. Send is called from one goroutine, and may block
// until ctx ends. What it could not tell it is given again, unless the error is
// permanent.
type Sink interface {
	Send(ctx context.Context, alerts []alert.Alert) error
	Name() string
}

// errPermanent marks the errors that the next attempt would meet again.
var errPermanent = errors.New("not to be tried again")

// permanent marks err as one that the next attempt would meet again.
func permanent(err error) error { return fmt.Errorf("%w (%w)", err, errPermanent) }
