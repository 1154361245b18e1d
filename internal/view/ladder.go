package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/ladder"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Ladders writes connections as sequence diagrams, in 80 columns.
type Ladders struct {
	History  History // how it writes what a ladder has no place for
	Relative bool    // count sequence numbers from the SYNs
	ASCII    bool
}

// The columns of a ladder.
const (
	ladderTime  = 8
	ladderState = 13
	ladderArrow = 41
)

// Write writes one connection.
func (d *Ladders) Write(w io.Writer, l *ladder.Ladder) error {
	var b strings.Builder
	d.title(&b, l)
	start := firstTime(l)
	for i := range l.Rungs {
		d.rung(&b, l, &l.Rungs[i], start)
	}
	for _, s := range l.Ends {
		if s == nil {
			continue
		}
		if l.Ends[ladder.Left] != nil && l.Ends[ladder.Right] != nil {
			fmt.Fprintf(&b, "  #%d %s\n", s.ID, Owner(&s.Owner))
		}
		d.History.end(&b, s)
	}
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write ladder: %w", err)
	}
	return nil
}

// title names both ends, above their columns.
func (d *Ladders) title(b *strings.Builder, l *ladder.Ladder) {
	s := l.Ends[ladder.Left]
	ev := events.Event{Family: s.Family, Saddr: s.Saddr, Daddr: s.Daddr, Lport: s.Lport, Rport: s.Rport}
	local, remote := Endpoint(ev.Local()), Endpoint(ev.Remote())
	began := ""
	if t := firstTime(l); t != 0 {
		began = time.Unix(0, d.History.Epoch+int64(t)).In(d.History.Location).Format("15:04:05.000000")
	}
	fmt.Fprintf(b, "#%d  netns %d  %s\n", s.ID, s.Netns, began)
	const half = ladderState + ladderArrow/2
	line := func(left, right string) {
		fmt.Fprintf(b, "%s%s %s\n", strings.Repeat(" ", ladderTime+1), pad(left, half), right)
	}
	line(local, padLeft(remote, half))
	other := "not watched: (inferred)"
	if o := l.Ends[ladder.Right]; o != nil {
		other = o.Role.String() + "  " + Owner(&o.Owner)
	}
	line(s.Role.String()+"  "+Owner(&s.Owner), padLeft(other, half))
	if s.Is(track.BeganBefore) {
		fmt.Fprintf(b, "  %s\n", d.History.Style.Dim("began before the watch: its past is unknown"))
	}
}

func firstTime(l *ladder.Ladder) uint64 {
	for i := range l.Rungs {
		if t := l.Rungs[i].Time; t != 0 {
			return t
		}
	}
	return 0
}

func (d *Ladders) rung(b *strings.Builder, l *ladder.Ladder, r *ladder.Rung, start uint64) {
	clock := ""
	if r.Time != 0 {
		if clock = "0"; r.Time != start {
			clock = Duration(int64(r.Time - start))
		}
	}
	arrow := strings.Repeat(" ", ladderArrow)
	if r.Arrow != nil {
		arrow = d.arrow(l, r.Arrow)
	}
	line := fmt.Sprintf("%s %s%s %s", padLeft(clock, ladderTime), pad(d.state(r.States[ladder.Left]), ladderState), arrow, d.state(r.States[ladder.Right]))
	b.WriteString(strings.TrimRight(line, " "))
	b.WriteByte('\n')
}

func (d *Ladders) state(s ladder.State) string {
	name := s.State.String()
	switch {
	case s.State == 0:
		return ""
	case s.Inferred:
		name = "(" + name + ")"
	case s.Mini && s.State == model.FinWait2:
		name = "FIN_WAIT2 mini"
	}
	return name
}

// arrow draws a segment: a solid line was observed, a dotted one is inferred.
func (d *Ladders) arrow(l *ladder.Ladder, a *ladder.Arrow) string {
	line, left, right := "─", "◀", "▶"
	if d.ASCII {
		line, left, right = "-", "<", ">"
	}
	if !a.Observed {
		line = "╌"
		if d.ASCII {
			line = "."
		}
	}
	text := " " + d.segment(l, a) + " "
	room := ladderArrow - 1 - utf8.RuneCountInString(text)
	before, after := max(1, room/2), max(1, room-room/2)
	body := strings.Repeat(line, before) + text + strings.Repeat(line, after)
	if a.From == ladder.Left {
		return body + right
	}
	return left + body
}

// segment names what was sent, with its numbers as far as they are known.
func (d *Ladders) segment(l *ladder.Ladder, a *ladder.Arrow) string {
	seq, ack := d.number(l, a.From, a.Seq), d.number(l, a.From.Other(), a.Ack)
	var text string
	switch a.Kind {
	case ladder.SYN:
		text = "SYN" + seq
	case ladder.SYNACK:
		text = "SYN,ACK" + seq
		if ack != "" {
			text += " ack" + ack
		}
	case ladder.HandshakeACK, ladder.FINACK:
		text = "ACK" + ack
	case ladder.FIN:
		text = "FIN" + seq
	case ladder.RST:
		text = "RST"
	}
	if a.Again > 0 {
		text += fmt.Sprintf(", %d times", a.Again+1)
	}
	return text
}

// number prints a number of the stream that from sends, after a blank; nothing if it
// is not known.
func (d *Ladders) number(l *ladder.Ladder, from ladder.Side, n ladder.Number) string {
	if !n.Known {
		return ""
	}
	if d.Relative {
		if first, ok := l.First(from); ok {
			n.Value -= first
		}
	}
	return " " + strconv.FormatUint(uint64(n.Value), 10)
}
