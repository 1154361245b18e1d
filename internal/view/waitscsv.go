package view

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// New columns go to the end: scripts count them.
var waitsHeader = []string{
	"section", "mono_ns", "netns", "owner_pid", "owner_comm", "owner_provenance", "owner_container", "kind", "laddr", "lport", "raddr", "rport",
	"count", "limit", "oldest_ns", "median_ns", "at_least", "last_minute", "per_minute", "unread", "retransmits", "fds", "fd_count", "example_cookie",
	"time_wait", "reusable", "exhausted_in_ns", "connects_failed",
}

// WaitsCSV writes a Report, one record for each group, listener (section listen) and
// route of ports (section ports); what one does not have is empty.
func WaitsCSV(out io.Writer, r *waits.Report, header bool) error {
	w := csv.NewWriter(out)
	if header {
		_ = w.Write(waitsHeader) // Error tells
	}
	write := func(section string, f map[string]string) {
		f["section"], f["mono_ns"] = section, u(r.Time)
		row := make([]string, len(waitsHeader))
		for i, name := range waitsHeader {
			row[i] = f[name]
		}
		_ = w.Write(row)
	}
	for s := range r.Sections {
		for i := range r.Sections[s].Groups {
			write(r.Sections[s].Section.String(), groupFields(&r.Sections[s].Groups[i]))
		}
	}
	for i := range r.Listeners {
		write("listen", listenerFields(&r.Listeners[i]))
	}
	for i := range r.Pressure {
		write("ports", pressureFields(&r.Pressure[i]))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

func groupFields(g *waits.Group) map[string]string {
	k := &g.Key
	f := ownerFields(k.PID, &k.Comm, k.Provenance)
	f["netns"], f["owner_container"], f["kind"] = u(uint64(k.Netns)), noFormula(printable.String(k.Container)), k.Kind.String()
	f["lport"], f["rport"] = portField(k.Lport), portField(k.Rport)
	if k.Family != 0 {
		f["raddr"] = events.Addr(k.Family, &k.Raddr).String()
	}
	f["count"], f["unread"], f["retransmits"] = strconv.Itoa(g.Count), u(g.Unread), u(g.Again)
	if g.Ages > 0 {
		f["oldest_ns"], f["median_ns"] = strconv.FormatInt(g.Oldest, 10), strconv.FormatInt(g.Median, 10)
		f["at_least"], f["last_minute"] = strconv.FormatBool(g.AtLeast), strconv.Itoa(g.Newer)
	}
	f["per_minute"] = rateField(g.Rate)
	if g.Holding > 0 {
		all := ""
		for i, fd := range g.FDs {
			if i > 0 {
				all += " "
			}
			all += strconv.Itoa(int(fd))
		}
		f["fds"], f["fd_count"] = all, strconv.Itoa(g.Holding)
	}
	if g.Example.Cookie != 0 {
		f["example_cookie"] = strconv.FormatUint(g.Example.Cookie, 16)
	}
	return f
}

func listenerFields(l *waits.Listener) map[string]string {
	f := ownerFields(l.PID, &l.Comm, l.Provenance)
	f["netns"], f["laddr"], f["lport"] = u(uint64(l.Netns)), events.Addr(l.Family, &l.Addr).String(), portField(l.Port)
	f["count"], f["limit"] = u(uint64(l.Queues.Accept)), u(uint64(l.Queues.AcceptLimit))
	return f
}

func pressureFields(p *waits.Pressure) map[string]string {
	f := map[string]string{
		"netns": u(uint64(p.Netns)), "laddr": events.Addr(p.Family, &p.Source).String(), "raddr": events.Addr(p.Family, &p.Dest).String(),
		"rport": portField(p.Port), "count": strconv.Itoa(p.Used), "limit": strconv.Itoa(p.Usable), "time_wait": strconv.Itoa(p.TimeWait),
		"reusable": strconv.Itoa(p.Reusable), "per_minute": rateField(p.Rate), "connects_failed": u(p.Failed),
	}
	if p.Left >= 0 {
		f["exhausted_in_ns"] = strconv.FormatInt(p.Left, 10)
	}
	return f
}

func ownerFields(pid uint32, comm *[16]byte, p events.Provenance) map[string]string {
	f := map[string]string{"owner_comm": noFormula(printable.Comm(comm)), "owner_provenance": p.String()}
	if pid != 0 {
		f["owner_pid"] = u(uint64(pid))
	}
	return f
}

func portField(port uint16) string {
	if port == 0 {
		return ""
	}
	return u(uint64(port))
}

func rateField(perMinute float64) string {
	if math.IsNaN(perMinute) {
		return ""
	}
	return strconv.FormatFloat(perMinute, 'f', 1, 64)
}
