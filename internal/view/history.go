package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// History writes whole lives, one card each.
type History struct {
	Style    Style
	Epoch    int64 // wall clock at 0 of the events' clock, ns since 1970
	Location *time.Location
}

// Card writes the life of one socket, as known at time now.
func (h *History) Card(w io.Writer, s *track.Socket, now uint64) error {
	var b strings.Builder
	h.title(&b, s)
	steps := s.History()
	for i := range steps {
		h.step(&b, s, steps, i, now)
	}
	h.end(&b, s)
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

func (h *History) title(b *strings.Builder, s *track.Socket) {
	ev := events.Event{Family: s.Family, Saddr: s.Saddr, Daddr: s.Daddr, Lport: s.Lport, Rport: s.Rport}
	fmt.Fprintf(b, "#%d  %s  %s  %s  netns %d", s.ID, Tuple(&ev), s.Role, Owner(&s.Owner), s.Netns)
	if s.Cookie != 0 {
		fmt.Fprintf(b, "  sk:%x", s.Cookie)
	}
	if s.Last.Has(model.MPTCP) {
		b.WriteString("  mptcp subflow")
	}
	b.WriteByte('\n')
	if s.Is(track.BeganBefore) {
		fmt.Fprintf(b, "  %s\n", h.Style.Dim("began before the watch: its past is unknown"))
	}
}

func (h *History) step(b *strings.Builder, s *track.Socket, steps []track.Step, i int, now uint64) {
	st := steps[i]
	clock := pad("", timeWidth)
	if st.Time != 0 {
		clock = time.Unix(0, h.Epoch+int64(st.Time)).In(h.Location).Format("15:04:05.000000")
	}
	spent := ""
	switch {
	case st.Time == 0:
		spent = "?"
	case i+1 < len(steps):
		spent = Duration(int64(steps[i+1].Time - st.Time))
	case st.State != model.Close:
		spent = Duration(s.InState(now)) + " so far"
	}
	verdict := ""
	if st.Time != 0 {
		verdict = h.Style.Verdict(st.Verdict)
		if st.Verdict != model.Normal {
			verdict += ": " + st.Rule.Why()
		}
	}
	line := fmt.Sprintf("  %s  %s  %s  %s", clock, pad(st.State.String(), 12), pad(spent, 14), verdict)
	b.WriteString(strings.TrimRight(line, " "))
	b.WriteByte('\n')
	if s.Skipped > 0 && i == track.MaxSteps/2-1 {
		fmt.Fprintf(b, "  %s\n", h.Style.Dim(fmt.Sprintf("(%d steps left out)", s.Skipped)))
	}
}

func (h *History) end(b *strings.Builder, s *track.Socket) {
	h.retransmits(b, &s.Retransmits)
	if !s.Is(track.Reported) || s.Steps == 0 {
		return
	}
	fmt.Fprintf(b, "  closed: %s: %s: %s\n", Ending(&s.End), h.Style.Verdict(s.End.Verdict), s.End.Rule.Why())
	if seen := s.AppendSeen(nil); len(seen) > 0 {
		fmt.Fprintf(b, "  seen: %s\n", seen)
	}
	h.mini(b, s)
	if s.Held() {
		fmt.Fprintf(b, "  %s\n", h.Style.Verdict(model.Notable)+": still held by a file descriptor; ss does not show it")
	}
}

func (h *History) retransmits(b *strings.Builder, r *track.Retransmits) {
	if r.SYN|r.SYNACK|r.FIN|r.Data|r.Failed == 0 {
		return
	}
	fmt.Fprintf(b, "  retransmits: syn %d, synack %d, fin %d, data %d", r.SYN, r.SYNACK, r.FIN, r.Data)
	for _, more := range [...]struct {
		n    uint32
		name string
	}{{r.Fast, "fast"}, {r.Probe, "probes"}, {r.Failed, "failed attempts"}} {
		if more.n > 0 {
			fmt.Fprintf(b, ", %s %d", more.name, more.n)
		}
	}
	b.WriteByte('\n')
}

// mini tells of the mini-socket that followed.
func (h *History) mini(b *strings.Builder, s *track.Socket) {
	m := &s.Mini
	switch {
	case m.Waiting():
		fmt.Fprintf(b, "  then waits in %s as a mini-socket\n", m.Substate)
	case m.Presumed():
		b.WriteString("  then waits in TIME_WAIT as a mini-socket, if there was room for one\n")
	case m.Ended():
		j := m.End.Judge()
		lasted := ""
		if m.Since != 0 && m.EndTime > m.Since {
			lasted = " after " + Duration(int64(m.EndTime-m.Since))
		}
		fmt.Fprintf(b, "  TIME_WAIT %s%s: %s: %s\n", m.End, lasted, h.Style.Verdict(j.Verdict), j.Rule.Why())
	}
}
