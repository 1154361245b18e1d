package alert

import (
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// labelOf tells what an event may be grouped by, by the name of the label.
var labelOf = map[string]func(*track.Observation) string{
	"netns":  func(o *track.Observation) string { return strconv.FormatUint(uint64(o.Event.Netns), 10) },
	"family": func(o *track.Observation) string { return o.Event.Family.String() },
	"laddr":  func(o *track.Observation) string { return o.Event.Local().Addr().String() },
	"lport":  func(o *track.Observation) string { return portText(o.Event.Lport) },
	"raddr":  func(o *track.Observation) string { return o.Event.Remote().Addr().String() },
	"rport":  func(o *track.Observation) string { return portText(o.Event.Rport) },
	"port":   servicePort,
	"role":   func(o *track.Observation) string { return o.Role.String() },
	"comm":   func(o *track.Observation) string { return printable.Comm(&o.Owner.Comm) },
	"pid":    func(o *track.Observation) string { return numberText(uint64(o.Owner.PID)) },
	"container": func(o *track.Observation) string {
		if o.Process == nil {
			return ""
		}
		return printable.String(o.Process.Container)
	},
	"from":    func(o *track.Observation) string { return o.Event.From.String() },
	"to":      func(o *track.Observation) string { return o.Event.To.String() },
	"state":   func(o *track.Observation) string { return o.Event.To.String() },
	"verdict": func(o *track.Observation) string { return o.Judgement.Verdict.String() },
	"rule": func(o *track.Observation) string {
		if o.Judgement.Rule == model.RuleNone {
			return ""
		}
		return o.Judgement.Rule.String()
	},
	"direction": func(o *track.Observation) string {
		switch o.Event.Kind {
		case events.ResetSent:
			return "sent"
		case events.ResetReceived:
			return "received"
		}
		return ""
	},
	"kind": func(o *track.Observation) string { return o.Segment.String() },
	"close_reason": func(o *track.Observation) string {
		if o.Socket == nil {
			return ""
		}
		return o.Socket.End.Reason.String()
	},
}

// eventLabels are the names of labelOf, sorted.
var eventLabels = []string{
	"close_reason", "comm", "container", "direction", "family", "from", "kind", "laddr", "lport", "netns", "pid", "port",
	"raddr", "role", "rport", "rule", "state", "to", "verdict",
}

// servicePort is the port of the server's end, which is one of few.
func servicePort(o *track.Observation) string {
	switch o.Role {
	case model.RolePassive, model.RoleListener:
		return portText(o.Event.Lport)
	case model.RoleActive:
		return portText(o.Event.Rport)
	}
	return ""
}

func portText(port uint16) string { return numberText(uint64(port)) }

// numberText prints a number; 0 is none.
func numberText(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// maxLabel bounds the value of a label, in bytes.
const maxLabel = 128

func bounded(s string) string {
	if len(s) <= maxLabel {
		return s
	}
	return strings.ToValidUTF8(s[:maxLabel-len("…")], "") + "…"
}
