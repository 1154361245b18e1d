package view

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Owner prints an owner as pid/command, as netstat does, with ~ for one that is inherited.
func Owner(w *events.Owner) string {
	switch w.Provenance {
	case events.ProvenanceExact:
		return person(w.PID, &w.Comm)
	case events.ProvenanceInherited:
		return "~" + person(w.PID, &w.Comm)
	case events.ProvenanceKernel:
		return "[kernel]"
	}
	return "?"
}

var noteWords = [events.NumNote]string{
	events.NoteInFlight: "in flight", events.NoteNotAccepted: "not accepted", events.NoteOrphan: "orphan",
}

var noteMeaning = [events.NumNote]string{
	events.NoteInFlight:    "no fd holds it: in flight between processes, or held in the kernel",
	events.NoteNotAccepted: "not accepted yet",
	events.NoteOrphan:      "orphan: closed by its process, the kernel ends it",
}

// Netns prints a network namespace by its number, as lsns does, and by its name
// if it has one.
func Netns(o *track.Observation) string {
	s := strconv.FormatUint(uint64(o.Event.Netns), 10)
	if o.NetnsName != "" {
		s += " (" + printable.String(o.NetnsName) + ")"
	}
	return s
}

// Container prints a container as docker ps does: the first digits of an id, a
// name in full, - for none that is known.
func Container(p *events.Process) string {
	if p == nil || p.Container == "" {
		return "-"
	}
	return printable.String(cgroup.Short(p.Container))
}

func unit(p *events.Process) string {
	if p == nil || p.Unit == "" {
		return "-"
	}
	return printable.String(p.Unit)
}

func person(pid uint32, comm *[16]byte) string {
	return strconv.FormatUint(uint64(pid), 10) + "/" + printable.Comm(comm)
}

// Endpoint prints an address and port as ss does: * for a port that is not
// known or not there.
func Endpoint(a netip.AddrPort) string {
	var b [64]byte
	return string(appendEndpoint(b[:0], a))
}

func appendEndpoint(b []byte, a netip.AddrPort) []byte {
	if a.Addr().Is4() {
		b = a.Addr().AppendTo(b)
	} else {
		b = append(b, '[')
		b = append(a.Addr().AppendTo(b), ']')
	}
	if a.Port() == 0 {
		return append(b, ":*"...)
	}
	return strconv.AppendUint(append(b, ':'), uint64(a.Port()), 10)
}

// Tuple prints both ends of a socket; a listener has one.
func Tuple(ev *events.Event) string {
	local := Endpoint(ev.Local())
	if ev.Rport == 0 {
		return local
	}
	return local + " > " + Endpoint(ev.Remote())
}

// Ending prints why a life ended, and by whom where the reason does not say it.
func Ending(end *track.End) string {
	reason := end.Reason.String()
	if by := end.By.String(); by != "" && !strings.Contains(reason, "_by_") {
		return reason + " by " + by
	}
	return reason
}

// Why prints the reason for a judgement that needs one; a normal one does not.
func Why(j model.Judgement, lost uint64) string {
	if j.Verdict == model.Normal {
		return ""
	}
	why := j.Why()
	if lost > 0 {
		why = strconv.FormatUint(lost, 10) + " events lost. " + why
	}
	return why
}
