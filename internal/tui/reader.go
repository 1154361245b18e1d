package tui

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// reader asks the table, beside the event loop.
type reader struct {
	ctx     context.Context
	options Options

	mu     sync.Mutex // held while a question is under way
	closed bool
}

// question is what one look at the table is to find out.
type question struct {
	into   *view // filled with a snapshot, unless nil
	asked  query
	edits  int
	detail track.Row // the socket to copy whole, if its ID is not 0
	ended  bool
}

// answer is what it found.
type answer struct {
	question
	counts counts
	socket track.Socket
	found  bool // socket is still in the table
	err    error
}

// refreshMsg says that the next snapshot is due.
type refreshMsg struct{}

// crashMsg says that something panicked beside the event loop.
type crashMsg struct{ err error }

// close waits for the question under way, and lets no other begin.
func (r *reader) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// ask answers q. A panic, in whatever goroutine the Feed has us look at the
// table, ends the program in order.
func (r *reader) ask(q question) (msg tea.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			msg = crashMsg{crashed(p)}
		}
	}()
	a := &answer{question: q}
	var crash error
	a.err = r.options.Feed.Ask(r.ctx, func(t *track.Table) {
		defer func() {
			if p := recover(); p != nil {
				crash = crashed(p)
			}
		}()
		r.look(t, a)
	})
	switch {
	case crash != nil:
		return crashMsg{crash}
	case r.ctx.Err() != nil:
		return nil
	case a.err == nil:
		r.finish(a)
	}
	return a
}

func crashed(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

// look copies what is wanted, and no more: the stream waits meanwhile.
func (r *reader) look(t *track.Table, a *answer) {
	c := &a.counts
	c.stats, c.capacity = t.Stats(), t.Capacity()
	c.now = t.Time()
	if r.options.Now != nil && !a.ended {
		c.now = r.options.Now()
	}
	if a.into != nil {
		a.into.take(t, c.now)
	}
	if a.detail.ID != 0 {
		a.socket, a.found = t.Socket(&a.detail)
	}
}

// finish works on the copy.
func (r *reader) finish(a *answer) {
	c := &a.counts
	c.status = "live"
	if f := r.options.Attached; f != nil {
		c.status = printable.String(firstLine(f()))
	}
	if f := r.options.Counters; f != nil {
		c.extra = printable.String(firstLine(f()))
	}
	if a.into != nil {
		c.tally = a.into.count()
		a.into.arrange(&a.asked)
	}
}

// read asks the table for its counts, for the history on the screen, and for
// a snapshot if all is set.
func (m *ui) read(all bool) tea.Cmd {
	q := question{asked: m.asked, edits: m.edits, ended: m.ended}
	if all {
		q.into, m.spare = m.spare, nil
	}
	if row := m.row(); m.pane && row != nil && row.ID == m.selected && m.stale() {
		q.detail = *row
	}
	m.reading, m.wantDetail = true, false
	ask := m.reader.ask
	return func() tea.Msg { return ask(q) }
}

// stale reports whether the history on the screen may be out of date.
func (m *ui) stale() bool { return !m.paused || m.detail.socket.ID != m.selected }

func (m *ui) readDetail() tea.Cmd {
	if m.reading {
		m.wantDetail = true
		return nil
	}
	return m.read(false)
}

func (m *ui) refresh() tea.Cmd {
	if m.reading {
		m.due = true
		return nil
	}
	return m.read(true)
}

// receive takes an answer over.
func (m *ui) receive(a *answer) tea.Cmd {
	m.reading = false
	var cmds []tea.Cmd
	if a.err != nil {
		if !errors.Is(a.err, context.Canceled) {
			m.fail(fmt.Errorf("read the table: %w", a.err))
		}
	} else {
		m.receiveCounts(&a.counts, a.into != nil)
		m.receiveDetail(a)
	}
	if a.into != nil {
		cmds = append(cmds, m.receiveView(a), tea.Tick(m.options.Refresh, func(time.Time) tea.Msg { return refreshMsg{} }))
	}
	if !m.reading {
		switch {
		case m.due:
			m.due = false
			cmds = append(cmds, m.read(true))
		case m.wantDetail:
			cmds = append(cmds, m.read(false))
		}
	}
	return tea.Batch(cmds...)
}

func (m *ui) receiveCounts(c *counts, tallied bool) {
	if !tallied {
		c.tally = m.counts.tally
	}
	m.counts = *c
	m.meter.add(c.stats.Transitions+c.stats.Retransmits, c.now)
	for i, n := range c.tally.states {
		m.seen[i] = m.seen[i] || n > 0
	}
}

func (m *ui) receiveDetail(a *answer) {
	switch {
	case a.detail.ID == 0 || a.detail.ID != m.selected:
	case a.found:
		m.detail = detail{socket: a.socket, now: a.counts.now}
	case m.detail.socket.ID == a.detail.ID:
		m.detail.gone = true
	}
}

// receiveView shows a new snapshot, unless the table is paused.
func (m *ui) receiveView(a *answer) tea.Cmd {
	if a.err != nil || m.paused {
		m.spare = a.into
		return nil
	}
	m.spare, m.view = m.view, a.into
	if a.edits != m.edits || a.asked.pin != m.asked.pin {
		m.view.arrange(&m.asked)
	}
	return m.follow()
}
