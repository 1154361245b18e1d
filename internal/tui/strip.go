package tui

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/model"
)

// stripOrder is how the state strip is ordered: always the same, with what
// matters most on the left.
var stripOrder = [...]model.State{
	model.Established, model.CloseWait, stripHeld, model.Listen, model.SynSent, model.SynRecv,
	model.FinWait1, model.FinWait2, model.Closing, model.LastAck,
}

// How much of the strip the sparkline takes.
const (
	sparkLeast = 70 // no sparkline on screens narrower than this
	sparkShare = 5  // a fifth of the screen
	sparkMost  = 30 // cells
	sparkName  = "1m "
)

func (m *ui) drawStrip(p *pen) {
	p.line()
	spark, most := m.spark()
	reserved := 0
	if spark != "" {
		reserved = len(sparkName) + cells(spark) + cells(most) + 2
	}
	m.drawStates(p, reserved)
	if spark != "" {
		p.fill(reserved - 2)
		p.put(dimStyle, sparkName)
		p.put(noteStyle, spark)
		p.put(dimStyle, most)
	}
}

// spark returns the picture of the last minute, and what its full height
// stands for.
func (m *ui) spark() (picture, most string) {
	if m.width < sparkLeast {
		return "", ""
	}
	values := m.meter.minute(min(m.width/sparkShare, sparkMost))
	peak := slices.Max(values)
	return m.glyphs.sparkline(values), left(" max "+short(uint64(peak+0.5))+"/s", 12)
}

// drawStates draws the counts that fit. A state that was seen once keeps its
// place, so that the others keep theirs.
func (m *ui) drawStates(p *pen, reserved int) {
	first := true
	for _, state := range stripOrder {
		if !m.seen[state] {
			continue
		}
		n := m.counts.tally.states[state]
		name, count := stripName(state), grouped(uint64(n))
		sep := m.glyphs.separator
		if first {
			sep = ""
		}
		if cells(sep)+len(name)+1+len(count) > p.left-reserved {
			p.put(dimStyle, " "+m.glyphs.ellipsis)
			return
		}
		first = false
		p.put(dimStyle, sep)
		if n == 0 {
			p.put(dimStyle, name+" 0")
			continue
		}
		p.put(plainStyle, name+" ")
		p.put(boldStyle, count)
	}
}

func stripName(s model.State) string {
	if s == stripHeld {
		return "held"
	}
	return s.String()
}
