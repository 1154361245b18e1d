package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// JSON writes each alert as a line of the public contract.
type JSON struct {
	W      io.Writer
	Booted time.Time // when the clock since boot was zero
}

// Name implements Sink.
func (*JSON) Name() string { return "json" }

// Send implements Sink.
func (j *JSON) Send(_ context.Context, alerts []alert.Alert) error {
	b, err := lines(alerts, j.Booted)
	if err != nil {
		return permanent(err)
	}
	if _, err := j.W.Write(b); err != nil {
		return permanent(fmt.Errorf("write alert: %w", err))
	}
	return nil
}

// lines are alerts as lines of JSON.
func lines(alerts []alert.Alert, booted time.Time) ([]byte, error) {
	var b bytes.Buffer
	for i := range alerts {
		c := clean(&alerts[i])
		line, err := c.Line(booted)
		if err != nil {
			return nil, fmt.Errorf("encode alert %s: %w", c.Rule, err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}
