package tui

import tea "charm.land/bubbletea/v2"

// by returns the action that moves by n rows. Where only text is on the screen
// it scrolls that.
func by(n int) func(*ui) tea.Cmd {
	return func(m *ui) tea.Cmd {
		switch {
		case m.help:
			m.scrollHelp(n)
		case m.regions().table == 0 && m.pane:
			return scrollPane(n)(m)
		default:
			return m.moveTo(m.cursor + n)
		}
		return nil
	}
}

// pages returns the action that moves by n screens.
func pages(n int) func(*ui) tea.Cmd {
	return func(m *ui) tea.Cmd {
		r := m.regions()
		page := r.table
		if m.help || page == 0 {
			page = r.table + r.pane
		}
		return by(n * max(page-1, 1))(m)
	}
}

// toTop goes to the first line and stays there, whatever socket that is.
func (m *ui) toTop() tea.Cmd {
	if m.help {
		m.helpTop = 0
		return nil
	}
	cmd := m.moveTo(0)
	m.anchored = m.pane
	return cmd
}

func (m *ui) toEnd() tea.Cmd {
	if m.help {
		return nil
	}
	return m.moveTo(len(m.view.order) - 1)
}

func (m *ui) togglePane() tea.Cmd {
	if m.help {
		m.help = false
		return nil
	}
	if m.pane {
		return m.closePane()
	}
	if m.row() == nil {
		return nil
	}
	m.pane, m.paneTop = true, 0
	m.detail = detail{}
	return m.moveTo(m.cursor)
}

func (m *ui) closePane() tea.Cmd {
	m.pane, m.asked.pin = false, 0
	m.scroll()
	if row := m.row(); row != nil {
		m.selected = row.ID
	}
	return nil
}

func scrollPane(n int) func(*ui) tea.Cmd {
	return func(m *ui) tea.Cmd {
		most := len(m.paneText()) - (m.regions().pane - 1)
		m.paneTop = max(min(m.paneTop+n, most), 0)
		return nil
	}
}

func (m *ui) scrollHelp(n int) {
	r := m.regions()
	most := len(m.helpText()) - (r.heading + r.table + r.pane)
	m.helpTop = max(min(m.helpTop+n, most), 0)
}

// sortBy returns the action that sorts by the n-th column after this one.
func sortBy(n int) func(*ui) tea.Cmd {
	return func(m *ui) tea.Cmd {
		m.asked.sort = (m.asked.sort + n + len(columns)) % len(columns)
		m.asked.reverse = false
		return m.rearrange()
	}
}

func (m *ui) reverse() tea.Cmd {
	m.asked.reverse = !m.asked.reverse
	return m.rearrange()
}

func (m *ui) toggleClosed() tea.Cmd {
	m.asked.closed = !m.asked.closed
	return m.rearrange()
}

func (m *ui) toggleAbnormal() tea.Cmd {
	m.asked.abnormal = !m.asked.abnormal
	return m.rearrange()
}

func (m *ui) togglePause() tea.Cmd {
	m.paused = !m.paused
	return nil
}

func (m *ui) toggleHelp() tea.Cmd {
	m.help, m.helpTop = !m.help, 0
	return nil
}

// back leaves what was entered last.
func (m *ui) back() tea.Cmd {
	switch {
	case m.help:
		m.help = false
	case m.pane:
		return m.closePane()
	case m.asked.filter != nil:
		m.asked.filter = nil
		return m.rearrange()
	case m.asked.abnormal:
		return m.toggleAbnormal()
	}
	return nil
}
