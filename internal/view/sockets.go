package view

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Sockets writes an inventory as a table.
type Sockets struct {
	Wide    bool
	Headers bool
	Style   Style
	Now     uint64 // ns since boot, for the time in a state

	out    io.Writer
	rows   [][]string
	fitted int // at most this many rows are measured
}

// NewSockets writes to w at the end.
func NewSockets(w io.Writer) *Sockets {
	return &Sockets{out: w, Headers: true, fitted: maxFitted}
}

// maxFitted is how many rows are measured to fit the columns; a longer list is
// padded to fixed widths, as it would take longer to measure than to read.
const maxFitted = 5000

var socketsHeader = []string{"STATE", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "IN STATE", "OWNER", "FD"}
var socketsWide = []string{"NETNS", "COOKIE", "ROLE", "VERDICT", "SYN-Q", "UNACCEPTED", "CONTAINER", "UNIT", "NOTE"}

// Write implements sink.Writer for found sockets.
func (t *Sockets) Write(o *track.Observation) error {
	ev := &o.Event
	if ev.Kind != events.Inventory {
		return nil
	}
	recv, send := record.Queues(ev)
	row := []string{
		stateOf(ev), strconv.FormatUint(uint64(recv), 10), strconv.FormatUint(uint64(send), 10),
		Endpoint(ev.Local()), remoteOf(ev), t.inState(o), t.owner(o), fd(o.Owner.FD),
	}
	if t.Wide {
		cookie := "-"
		if ev.Cookie != 0 {
			cookie = strconv.FormatUint(ev.Cookie, 16)
		}
		row = append(row, Netns(o), cookie, o.Role.String(), t.Style.Verdict(o.Judgement.Verdict), synQueue(o), unaccepted(o),
			Container(o.Process), unit(o.Process), noteMeaning[o.Owner.Note%events.NumNote])
	}
	t.rows = append(t.rows, row)
	return nil
}

// owner prints the owner, how many more fds hold the socket, and why no process
// has it.
func (t *Sockets) owner(o *track.Observation) string {
	s := Owner(&o.Owner)
	if o.Holding > 1 {
		s += " +" + strconv.Itoa(o.Holding-1)
	}
	if note := noteWords[o.Owner.Note%events.NumNote]; note != "" && !t.Wide {
		s += " (" + note + ")"
	}
	return s
}

// stateOf names what kind of mini-socket it is.
func stateOf(ev *events.Event) string {
	switch {
	case ev.To == model.TimeWait && ev.From == model.FinWait2:
		return "TIME_WAIT (FIN_WAIT2)"
	case ev.To == model.Close:
		return "CLOSE (held)"
	}
	return ev.To.String()
}

func remoteOf(ev *events.Event) string {
	if ev.To == model.Listen {
		return "*"
	}
	return Endpoint(ev.Remote())
}

func (t *Sockets) inState(o *track.Observation) string {
	if o.Event.To == model.TimeWait {
		return Duration(o.Event.Remaining()) + " left"
	}
	return Duration(o.InState)
}

func fd(n int32) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(int(n))
}

// Flush implements sink.Writer: it writes the table.
func (t *Sockets) Flush() error {
	header := socketsHeader
	if t.Wide {
		header = append(append([]string(nil), header...), socketsWide...)
	}
	var err error
	if len(t.rows) > t.fitted {
		err = t.padded(header)
	} else {
		err = t.fit(header)
	}
	t.rows = nil
	if err != nil {
		return fmt.Errorf("write sockets: %w", err)
	}
	return nil
}

func (t *Sockets) fit(header []string) error {
	if len(t.rows) == 0 && !t.Headers {
		return nil
	}
	w := table.NewWriter()
	w.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	if t.Headers {
		w.AppendHeader(tableRow(header))
	}
	for _, row := range t.rows {
		w.AppendRow(tableRow(row))
	}
	_, err := fmt.Fprintln(t.out, w.Render())
	return err
}

func tableRow(fields []string) table.Row {
	row := make(table.Row, len(fields))
	for i, f := range fields {
		row[i] = f
	}
	return row
}

var socketsWidths = []int{21, 7, 7, 24, 24, 10, 20, 4, 10, 10, 8, 10, 9, 10, 12, 20, 4}

func (t *Sockets) padded(header []string) error {
	out := bufio.NewWriterSize(t.out, 256<<10)
	line := func(fields []string) {
		for i, f := range fields {
			if i+1 < len(fields) {
				f = pad(f, socketsWidths[i]) + " "
			}
			_, _ = out.WriteString(f) // bufio keeps the error for Flush
		}
		_ = out.WriteByte('\n')
	}
	if t.Headers {
		line(header)
	}
	for _, row := range t.rows {
		line(row)
	}
	return out.Flush()
}
