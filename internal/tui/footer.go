package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// promptSign begins the line on which a filter is typed.
const promptSign = "/"

// drawFooter draws the last line: what is being typed, what went wrong, or
// what can be done.
func (m *ui) drawFooter(p *pen) {
	p.line()
	where := m.whereabouts()
	switch {
	case m.prompt != nil:
		m.drawPrompt(p)
		return
	case m.message != "":
		p.put(alarmStyle, m.message)
		return
	}
	room := func() int { return p.left - cells(where) - 1 }
	for _, chip := range m.chips() {
		if text, width := p.fit("["+chip+"]", room()-1); width > 3 {
			p.put(warnStyle, text)
			p.gap(1)
		}
	}
	m.drawHints(p, m.tableKeys, room())
	if cells(where) < p.left {
		p.fill(cells(where))
	}
	p.put(dimStyle, where)
}

// drawHints draws the keys that fit, those that must be there before others.
func (m *ui) drawHints(p *pen, table []binding, room int) {
	chosen := make([]bool, len(table))
	for _, where := range [...]place{inside, always, ifRoom} {
		for i := range table {
			b := &table[i]
			switch {
			case b.short == "" || b.where != where:
				continue
			case where == inside && !m.inside(), where == ifRoom && m.help:
				continue
			}
			if n := hintWidth(b); n <= room {
				chosen[i] = true
				room -= n
			}
		}
	}
	for i := range table {
		if chosen[i] {
			p.put(boldStyle, table[i].keys[0])
			p.put(dimStyle, " "+table[i].short)
			p.gap(2)
		}
	}
}

func hintWidth(b *binding) int { return len(b.keys[0]) + 1 + len(b.short) + 2 }

// inside reports whether there is something to go back from.
func (m *ui) inside() bool { return m.pane || m.help || m.asked.filter != nil }

// chips say what the table does not show, or why it shows what it does.
func (m *ui) chips() []string {
	var list []string
	if f := m.asked.filter; f != nil {
		list = append(list, promptSign+printable.String(f.text))
	}
	if m.asked.abnormal {
		list = append(list, "abnormal")
	}
	if m.asked.closed {
		list = append(list, "all closed")
	}
	if !m.sortShown() {
		list = append(list, "by "+columns[m.asked.sort].long+" "+m.direction())
	}
	return list
}

// sortShown reports whether the column that the table is sorted by is on the
// screen.
func (m *ui) sortShown() bool {
	return slices.ContainsFunc(m.layout, func(c placed) bool { return c.index == m.asked.sort })
}

// whereabouts says which row of how many is selected.
func (m *ui) whereabouts() string {
	n := len(m.view.order)
	if n == 0 {
		return "0/0"
	}
	return grouped(uint64(m.cursor+1)) + "/" + grouped(uint64(n))
}

func (m *ui) drawPrompt(p *pen) {
	p.put(brandStyle, promptSign)
	room := m.promptRoom()
	text, _ := m.prompt.window(room)
	p.cell(plainStyle, text, min(room, max(cells(text)+2, room/2)), false)
	if m.prompt.err != "" {
		p.put(alarmStyle, m.prompt.err)
		return
	}
	m.drawHints(p, m.promptKeys, p.left-cells(m.whereabouts()))
	where := m.whereabouts()
	if p.left > cells(where) {
		p.fill(cells(where))
		p.put(dimStyle, where)
	}
}

// promptRoom returns how many cells the typed text may take.
func (m *ui) promptRoom() int {
	room := m.width - cells(promptSign)
	if m.prompt.err != "" {
		room = min(room, max(room/2, 8))
	}
	return max(room, 1)
}

func (m *ui) promptCursor(r regions) *tea.Cursor {
	if m.prompt == nil || r.footer == 0 {
		return nil
	}
	_, x := m.prompt.window(m.promptRoom())
	return tea.NewCursor(min(cells(promptSign)+x, max(m.width-1, 0)), m.height-1)
}
