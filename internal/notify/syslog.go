package notify

import (
	"context"
	"fmt"
	"log/syslog"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Syslog writes to the local syslog, or to the one at Address.
type Syslog struct {
	Network, Address string // both empty for the local one
	to               *syslog.Writer
}

// Name implements Sink.
func (*Syslog) Name() string { return "syslog" }

// Send implements Sink.
func (s *Syslog) Send(_ context.Context, alerts []alert.Alert) error {
	if s.to == nil {
		to, err := syslog.Dial(s.Network, s.Address, syslog.LOG_DAEMON|syslog.LOG_NOTICE, "tcpwatch")
		if err != nil {
			return fmt.Errorf("reach syslog: %w", err)
		}
		s.to = to
	}
	for i := range alerts {
		if err := s.write(&alerts[i]); err != nil {
			return fmt.Errorf("write to syslog: %w", err)
		}
	}
	return nil
}

func (s *Syslog) write(a *alert.Alert) error {
	switch priority(a) {
	case priCritical:
		return s.to.Crit(message(a))
	case priWarning:
		return s.to.Warning(message(a))
	}
	return s.to.Notice(message(a))
}

// syslog(3) has these three numbers, and the journal has them from it.
const (
	priCritical = 2
	priWarning  = 4
	priNotice   = 5
)

// priority is how much an alert matters, by its label severity.
func priority(a *alert.Alert) int {
	switch {
	case a.Status == alert.Resolved || a.Labels["severity"] == "info":
		return priNotice
	case a.Labels["severity"] == "critical":
		return priCritical
	}
	return priWarning
}
