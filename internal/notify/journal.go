package notify

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Journal writes to systemd's journal, with a field for each label.
type Journal struct {
	// Write is how to; nil is journal.Send.
	Write func(message string, priority journal.Priority, fields map[string]string) error
}

// Name implements Sink.
func (*Journal) Name() string { return "journal" }

// Send implements Sink.
func (j *Journal) Send(_ context.Context, alerts []alert.Alert) error {
	write := j.Write
	if write == nil {
		write = journal.Send
	}
	for i := range alerts {
		a := &alerts[i]
		if err := write(message(a), journal.Priority(priority(a)), fields(a)); err != nil {
			return fmt.Errorf("write to the journal: %w", err)
		}
	}
	return nil
}

// fields are what journalctl can select by: TCPWATCH_RULE=CloseWaitLeak.
func fields(a *alert.Alert) map[string]string {
	c := clean(a)
	f := map[string]string{
		"SYSLOG_IDENTIFIER": "tcpwatch",
		"TCPWATCH_RULE":     c.Rule,
		"TCPWATCH_STATUS":   string(c.Status),
		"TCPWATCH_VALUE":    strconv.FormatFloat(c.Value, 'g', -1, 64),
	}
	for name, value := range c.Labels {
		f["TCPWATCH_LABEL_"+fieldName(name)] = value
	}
	return f
}

// fieldName spells a label's name as the journal wants it: A to Z, 0 to 9 and _, at
// most 64 with what goes before.
func fieldName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
	return s[:min(len(s), 48)]
}
