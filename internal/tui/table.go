package tui

import (
	tea "charm.land/bubbletea/v2"
)

// View implements tea.Model. It draws what is on the screen and nothing else:
// its cost does not depend on how many sockets there are.
func (m *ui) View() tea.View {
	p := m.newPen()
	r := m.regions()
	if r.header > 0 {
		m.drawHeader(p)
	}
	if r.strip > 0 {
		m.drawStrip(p)
	}
	switch {
	case m.help:
		m.drawHelp(p, r.heading+r.table+r.pane)
	default:
		if r.heading > 0 {
			m.drawHeading(p)
		}
		m.drawTable(p, r.table)
		if r.pane > 0 {
			m.drawPane(p, r.pane)
		}
	}
	if r.footer > 0 {
		m.drawFooter(p)
	}
	v := tea.NewView(p.out.String())
	v.AltScreen = true
	v.Cursor = m.promptCursor(r)
	return v
}

// drawHeading names the columns, and marks the one that the table is sorted by.
func (m *ui) drawHeading(p *pen) {
	p.line()
	p.gap(gutter)
	for i, c := range m.layout {
		if i > 0 {
			p.gap(1)
		}
		column := &columns[c.index]
		if c.index != m.asked.sort {
			p.cell(headingStyle, column.title, c.width, column.right)
			continue
		}
		title := column.title
		if cells(title) < c.width {
			title += m.direction()
		} else {
			title = title[:c.width-1] + m.direction()
		}
		p.cell(brandStyle, title, c.width, column.right)
	}
}

// direction returns the arrow of the sort order.
func (m *ui) direction() string {
	if columns[m.asked.sort].descending != m.asked.reverse {
		return m.glyphs.down
	}
	return m.glyphs.up
}

// drawTable draws the window of rows.
func (m *ui) drawTable(p *pen, lines int) {
	for i := range lines {
		p.line()
		position := m.top + i
		switch {
		case position < len(m.view.order):
			m.drawRow(p, position)
		case len(m.view.order) == 0 && i == min(1, lines-1):
			p.gap(gutter + 2)
			p.put(dimStyle, m.nothing())
		}
	}
}

// nothing says why the table is empty.
func (m *ui) nothing() string {
	switch {
	case m.counts.capacity == 0:
		return "reading the sockets" + m.glyphs.ellipsis
	case m.asked.filter != nil, m.asked.only != nil:
		return "no socket matches the filter"
	case m.asked.abnormal:
		return "nothing abnormal"
	case m.asked.closed:
		return "no sockets"
	}
	return "no open sockets"
}

func (m *ui) drawRow(p *pen, position int) {
	r := m.view.at(position)
	over := closed(r)
	if position == m.cursor {
		p.base = selectedStyle
		p.put(plainStyle, m.glyphs.selected)
	} else {
		p.gap(gutter)
	}
	for i, c := range m.layout {
		if i > 0 {
			p.gap(1)
		}
		column := &columns[c.index]
		text, st := column.cell(m, r, c.width)
		if over && st == plainStyle {
			st = dimStyle
		}
		p.cell(st, text, c.width, column.right)
	}
	if p.base == selectedStyle {
		p.fill(0)
	}
}
