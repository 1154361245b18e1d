package notify

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Text writes one line for each alert.
type Text struct{ W io.Writer }

// Name implements Sink.
func (*Text) Name() string { return "text" }

// Send implements Sink.
func (t *Text) Send(_ context.Context, alerts []alert.Alert) error {
	for i := range alerts {
		if _, err := fmt.Fprintln(t.W, textLine(&alerts[i])); err != nil {
			return permanent(fmt.Errorf("write alert: %w", err))
		}
	}
	return nil
}

// quotes keeps a value from ending its own quotes; all else in it is visible already.
var quotes = strings.NewReplacer(`"`, `\"`)

// textLine is an alert for a person, with its time.
func textLine(a *alert.Alert) string {
	return a.Time().UTC().Format(time.RFC3339) + " " + message(a)
}

// message is an alert for a person: what it is, then what tells it from others.
func message(a *alert.Alert) string {
	c := clean(a)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.Status, c.Rule)
	if s := c.Annotations["summary"]; s != "" {
		b.WriteString(": " + s)
	}
	for _, name := range sortedNames(c.Labels) {
		fmt.Fprintf(&b, ` %s="%s"`, name, quotes.Replace(c.Labels[name]))
	}
	fmt.Fprintf(&b, " value=%s", strconv.FormatFloat(c.Value, 'g', -1, 64))
	if c.Lost > 0 {
		fmt.Fprintf(&b, " lost=%d", c.Lost)
	}
	for i := range c.Top {
		b.WriteString("; " + holder(&c.Top[i]))
	}
	return b.String()
}

// holder is one holder for a person: 17 of 812/nginx, fd 6.
func holder(h *alert.Holder) string {
	s := fmt.Sprintf("%d of %d/%s", h.Count, h.PID, h.Comm)
	if h.FD >= 0 {
		s += fmt.Sprintf(", fd %d", h.FD)
	}
	if h.Example != "" {
		s += ", " + h.Example
	}
	return s
}
