package tui

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// drawPane draws the history of the selected socket.
func (m *ui) drawPane(p *pen, lines int) {
	m.drawPaneTitle(p)
	text := m.paneText()
	top := min(m.paneTop, max(len(text)-(lines-1), 0))
	for i := range lines - 1 {
		p.line()
		if top+i < len(text) {
			drawRuns(p, text[top+i])
		}
	}
}

func drawRuns(p *pen, runs []run) {
	for _, r := range runs {
		p.put(r.style, r.text)
	}
}

// drawPaneTitle draws the line between the table and the history.
func (m *ui) drawPaneTitle(p *pen) {
	p.line()
	g := m.glyphs
	s := &m.detail.socket
	if s.ID == 0 {
		p.put(dimStyle, repeat(g.rule, p.left))
		return
	}
	p.put(dimStyle, g.rule+" ")
	p.put(boldStyle, endpoint(s.Family, &s.Saddr, s.Lport)+" "+g.arrow+" "+endpoint(s.Family, &s.Daddr, s.Rport))
	if p.left > 3 {
		p.put(dimStyle, " "+repeat(g.rule, p.left-1))
	}
}

func repeat(s string, n int) string {
	text := make([]byte, 0, max(n, 0)*len(s))
	for range n {
		text = append(text, s...)
	}
	return string(text)
}

// paneText returns the lines of the history.
func (m *ui) paneText() [][]run {
	if m.detail.socket.ID == 0 {
		return nil
	}
	w := &writer{ui: m, s: &m.detail.socket, now: m.detail.now}
	w.who()
	w.timeline()
	w.verdict()
	w.facts()
	return w.lines
}

// writer writes the history of one socket.
type writer struct {
	*ui
	s     *track.Socket
	now   uint64
	lines [][]run
}

func (w *writer) add(runs ...run) { w.lines = append(w.lines, runs) }

// indent is how far text stands in from the edge of the pane.
const indent = "  "

// prose adds text over as many lines as it takes.
func (w *writer) prose(st style, text string) {
	for _, line := range wrap(text, w.width-len(indent)) {
		w.add(run{plainStyle, indent}, run{st, line})
	}
}

// chain adds runs with wide spaces between them, over as many lines as they take.
func (w *writer) chain(parts ...run) {
	var line []run
	used := 0
	for _, part := range parts {
		n := cells(part.text)
		if n == 0 {
			continue
		}
		if used > 0 && used+3+n > w.width {
			w.add(line...)
			line, used = nil, 0
		}
		sep := indent
		if used > 0 {
			sep = "   "
		}
		line = append(line, run{plainStyle, sep}, part)
		used += len(sep) + n
	}
	if line != nil {
		w.add(line...)
	}
}

// who says whose socket it is.
func (w *writer) who() {
	s := w.s
	role := run{plainStyle, s.Role.String()}
	if s.Role == model.RoleUnknown {
		role = run{dimStyle, "role unknown"}
	}
	w.chain(run{boldStyle, ownerInWords(&s.Owner)}, role, run{dimStyle, "netns " + strconv.FormatUint(uint64(s.Netns), 10)})
}

// stepColumns is how the timeline is divided.
type stepColumns struct {
	time, state, span int
	rule              bool // the rule and what it says
}

func (w *writer) stepColumns() stepColumns {
	c := stepColumns{time: 15, state: 12, span: 9, rule: true}
	if w.width < 70 {
		c.time, c.state, c.span = 9, 11, 7
		c.rule = false
	}
	return c
}

// timeline adds a line for each state.
func (w *writer) timeline() {
	s := w.s
	if s.Is(track.BeganBefore) {
		w.prose(dimStyle, "began before the watch: the past is unknown")
	}
	steps := s.History()
	for i := range steps {
		if s.Skipped > 0 && i == track.MaxSteps/2 {
			w.add(run{dimStyle, indent + w.glyphs.more + " " + grouped(uint64(s.Skipped)) + " states are left out"})
		}
		w.step(steps, i)
	}
	if s.Is(track.Filtered) {
		w.prose(dimStyle, "the recording is filtered: some of these states' beginnings are not in it")
	}
}

func (w *writer) step(steps []track.Step, i int) {
	st := &steps[i]
	c := w.stepColumns()
	mark := w.glyphs.middle
	switch {
	case len(steps) == 1:
		mark = w.glyphs.only
	case i == 0:
		mark = w.glyphs.first
	case i == len(steps)-1:
		mark = w.glyphs.last
	}
	line := []run{
		{dimStyle, right(w.moment(st.Time, i == 0 && c.rule), c.time)},
		{dimStyle, " " + mark + " "},
		{boldStyle, left(st.State.String(), c.state)},
		{plainStyle, right(w.stay(steps, i), c.span) + "  "},
	}
	if st.Rule == model.RuleNone {
		w.add(line...)
		return
	}
	line = append(line, run{verdictStyle(st.Verdict), w.glyphs.verdict(st.Verdict)})
	if c.rule {
		line = append(line, run{verdictStyle(st.Verdict), " " + st.Rule.String()}, run{dimStyle, "  " + st.Rule.Why()})
	}
	w.add(line...)
}

// moment spells the time of a step: of day for the first where that is known,
// else from the beginning.
func (w *writer) moment(at uint64, first bool) string {
	switch {
	case at == 0:
		return "before"
	case first && w.options.Clock != nil:
		return w.options.Clock(at).Format("15:04:05.000000")
	}
	return offset(int64(at - min(at, w.s.Born)))
}

// stay spells how long the socket was in a state, or has been so far.
func (w *writer) stay(steps []track.Step, i int) string {
	st := &steps[i]
	if i+1 < len(steps) {
		if w.s.Skipped > 0 && i+1 == track.MaxSteps/2 {
			return ""
		}
		return span(between(st.Time, steps[i+1].Time))
	}
	switch {
	case st.State == model.Close && !w.s.Held():
		return ""
	case st.Time == 0 && w.s.Born != 0:
		return w.glyphs.atLeast + ticking(between(w.s.Born, w.now))
	}
	return ticking(between(st.Time, w.now))
}

func between(from, to uint64) int64 {
	if from == 0 || to < from {
		return -1
	}
	return int64(to - from)
}

func left(s string, width int) string { return s + spaces(width-cells(s)) }

func right(s string, width int) string { return spaces(width-cells(s)) + s }
