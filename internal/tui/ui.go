package tui

import (
	"context"
	"fmt"
	"os"

	tea "charm.land/bubbletea/v2"

	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// ui is everything the program knows. Update changes it, View draws it, and
// nothing else touches it.
type ui struct {
	options Options
	reader  *reader
	theme   *theme
	glyphs  *glyphs
	title   string // safe to print

	// The tables of keys, held here because the actions in them draw on the
	// help that is written from them.
	tableKeys, promptKeys []binding

	width, height int
	layout        []placed // the columns that fit into width

	view  *view // what the table shows
	spare *view // for the next snapshot; nil while that is being taken
	asked query // what the table is to show
	edits int   // how often asked has changed

	counts counts
	meter  meter
	seen   [stripStates]bool // states that were counted at least once

	reading    bool // a question to the table is under way
	due        bool // the next snapshot is due as soon as that is answered
	wantDetail bool // the selected socket's history is wanted as soon as that is answered

	cursor   int    // position of the selected row in view.order
	top      int    // position of the first row on the screen
	selected uint64 // id of the selected socket
	anchored bool   // the selection stays with the socket; else with the first line

	pane    bool // the history is open
	paneTop int  // its first line on the screen
	detail  detail

	help    bool
	helpTop int
	prompt  *prompt // the filter that is being typed
	paused  bool
	ended   bool
	message string // an error to show, safe to print
	crash   error  // why the program ends, if it is not the user's wish
}

// detail is the socket whose history is shown.
type detail struct {
	socket track.Socket
	now    uint64 // ns since boot when it was copied
	gone   bool   // the table has dropped it since
}

// endedMsg says that the stream has ended.
type endedMsg struct{ err error }

func newUI(ctx context.Context, o Options) (*ui, error) {
	if o.Refresh <= 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	m := &ui{
		options: o,
		reader:  &reader{ctx: ctx, options: o},
		theme:   themeFor(o.Color),
		glyphs:  glyphsFor(o.Environ),
		title:   printable.String(o.Title),
		view:    &view{},
		spare:   &view{},

		tableKeys:  tableKeys[:],
		promptKeys: promptKeys[:],
	}
	m.counts.status = "live"
	if o.Only != nil {
		m.asked.only = &filter{test: o.Only}
	}
	var err error
	if m.asked.filter, err = newFilter(o.Filter, o.Compile); err != nil {
		return nil, fmt.Errorf("compile filter %q: %w", o.Filter, err)
	}
	return m, nil
}

// Init implements tea.Model.
func (m *ui) Init() tea.Cmd { return tea.Batch(m.read(true), m.awaitEnd()) }

func (m *ui) awaitEnd() tea.Cmd {
	done, ctx := m.options.Done, m.reader.ctx
	if done == nil {
		return nil
	}
	return func() tea.Msg {
		select {
		case err := <-done:
			return endedMsg{err}
		case <-ctx.Done():
			return nil
		}
	}
}

// Update implements tea.Model. A panic, as of a compiled filter, ends the
// program in order.
func (m *ui) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer func() {
		if p := recover(); p != nil {
			m.crash = crashed(p)
			next, cmd = m, tea.Quit
		}
	}()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		return m, m.press(msg.Key())
	case tea.PasteMsg:
		if m.prompt != nil {
			m.edit(func(p *prompt) { p.insert(msg.Content) })
		}
	case refreshMsg:
		return m, m.refresh()
	case *answer:
		return m, m.receive(msg)
	case crashMsg:
		m.crash = msg.err
		return m, tea.Quit
	case endedMsg:
		m.end(msg.err)
	}
	return m, nil
}

func (m *ui) end(err error) {
	m.ended = true
	if err != nil {
		m.fail(err)
	}
}

// fail shows an error until the next key.
func (m *ui) fail(err error) { m.message = printable.String(firstLine(err.Error())) }

func (m *ui) resize(width, height int) {
	m.width, m.height = max(width, 0), max(height, 0)
	m.layout = layOut(m.width)
	m.scroll()
}

// row returns the selected row, nil if there is none.
func (m *ui) row() *track.Row {
	if m.cursor >= len(m.view.order) {
		return nil
	}
	return m.view.at(m.cursor)
}

// moveTo puts the cursor on a position of the table.
func (m *ui) moveTo(position int) tea.Cmd {
	if len(m.view.order) == 0 {
		return nil
	}
	m.cursor = min(max(position, 0), len(m.view.order)-1)
	m.anchored = true
	m.scroll()
	return m.selectID(m.row().ID)
}

// selectID makes a socket the selected one, and asks for its history if that
// is on the screen.
func (m *ui) selectID(id uint64) tea.Cmd {
	if m.selected != id {
		m.selected, m.paneTop = id, 0
	}
	if m.pane {
		m.asked.pin = id
		if m.detail.socket.ID != id {
			return m.readDetail()
		}
	}
	return nil
}

// follow finds the selected socket again after the order has changed.
func (m *ui) follow() tea.Cmd {
	if len(m.view.order) == 0 {
		m.cursor, m.top = 0, 0
		return nil
	}
	if !m.anchored {
		m.cursor, m.top = 0, 0
		return m.selectID(m.row().ID)
	}
	line := m.cursor - m.top
	position := m.view.find(m.selected)
	found := position >= 0
	if !found {
		position = min(m.cursor, len(m.view.order)-1)
	}
	m.cursor = position
	if m.top > 0 {
		m.top = position - line // the row keeps its place on the screen
	}
	m.scroll()
	if !found && !m.pane { // an open history stays, even of a socket that is gone
		return m.selectID(m.row().ID)
	}
	return nil
}

// scroll brings the cursor into the window.
func (m *ui) scroll() {
	rows := m.regions().table
	m.top = min(max(m.top, m.cursor-rows+1), m.cursor)
	m.top = max(min(m.top, len(m.view.order)-rows), 0)
}

// rearrange applies a changed wish to the rows at hand.
func (m *ui) rearrange() tea.Cmd {
	m.edits++
	m.view.arrange(&m.asked)
	return m.follow()
}
