// Package tui is the full-screen program behind tcpwatch live: the table of
// sockets as it changes, the history of each, what was counted and what was
// lost.
//
// A snapshot of the table is copied a few times a second, sorted and filtered
// beside the event loop; a key or a frame touches only the rows on the screen,
// so that sixty thousand sockets feel like sixty.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Feed answers questions about the table between two events. watch.Watch is
// one. The program asks from one goroutine at a time.
type Feed interface {
	Ask(ctx context.Context, ask func(*track.Table)) error
}

// Options of the program. Only Feed is needed. The functions are called beside
// the event loop, one at a time, but for Compile and what it returns.
type Options struct {
	Feed Feed

	// Refresh is the pause between two snapshots of the table; 0 means
	// DefaultRefresh.
	Refresh time.Duration

	// Now is the clock of the events, in ns since boot. If nil, and once the
	// stream has ended, it is the time of the table.
	Now func() uint64

	// Clock tells the time of day of a moment in ns since boot. If nil,
	// histories tell times from the beginning of the life only.
	Clock func(ns uint64) time.Time

	// Compile compiles the filter expression language. If nil there is only
	// the search for plain text. What it returns is never called by two
	// goroutines at once.
	Compile func(filter string) (func(*track.Row) bool, error)

	// Only tells the sockets to show, whatever is typed; nil means all. It is
	// never called by two goroutines at once.
	Only func(*track.Row) bool

	Filter   string        // the filter to begin with
	Title    string        // of the host or the recording
	Attached func() string // one word for where events come from; nil means live
	Counters func() string // more to say of losses; nil or empty for nothing

	// Color allows colours and other attributes; without it there are symbols
	// only.
	Color bool

	// Done yields or is closed when the stream has ended: the program stays.
	Done <-chan error

	Input   io.Reader // nil: the terminal
	Output  io.Writer // nil: stdout, which must be a terminal
	Environ []string  // for TERM and the locale; nil: the process's own
}

// DefaultRefresh is how long the program pauses between two snapshots.
const DefaultRefresh = 250 * time.Millisecond

// framesPerSecond bounds how often the screen is painted.
const framesPerSecond = 30

// ErrNoTerminal says that there is no terminal to draw on.
var ErrNoTerminal = errors.New("stdout is not a terminal: use tcpwatch trace, or tcpwatch sockets")

// Run shows the program until the user quits or ctx ends, and returns nil then.
// The terminal is as it was before, however the program ends; a panic, also of
// a function of the Options, becomes an error. No function of the Options runs
// any more when Run has returned.
func Run(ctx context.Context, o Options) error {
	if o.Output == nil && !term.IsTerminal(os.Stdout.Fd()) {
		return ErrNoTerminal
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	m, err := newUI(ctx, o)
	if err != nil {
		return err
	}
	p := tea.NewProgram(m, programOptions(&m.options)...)
	go func() {
		<-ctx.Done()
		p.Quit() // in order: tea.WithContext pulls the terminal from under its reader
	}()
	_, err = p.Run()
	stop()
	m.reader.close()
	if m.crash != nil {
		return m.crash
	}
	if err != nil {
		return fmt.Errorf("run the terminal program: %w", err)
	}
	return nil
}

func programOptions(o *Options) []tea.ProgramOption {
	list := []tea.ProgramOption{
		tea.WithEnvironment(o.Environ),
		tea.WithFPS(framesPerSecond),
		tea.WithFilter(endInOrder),
	}
	if o.Input != nil {
		list = append(list, tea.WithInput(o.Input))
	}
	if o.Output != nil {
		list = append(list, tea.WithOutput(o.Output))
	}
	return list
}

// endInOrder makes SIGINT end the program as a key would.
func endInOrder(_ tea.Model, msg tea.Msg) tea.Msg {
	if _, ok := msg.(tea.InterruptMsg); ok {
		return tea.QuitMsg{}
	}
	return msg
}
