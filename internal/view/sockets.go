package view

import (
	"bufio"
	"fmt"
	"io"
	"slices"
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
	row    cells // reused
	rows   [][]string
	fitted int           // at most this many rows are measured
	padded *bufio.Writer // once there were more: to it each row goes at once
}

// cells are the fields of a row, in one text.
type cells struct {
	text []byte
	ends []int
}

// end ends the field that has been appended to text.
func (c *cells) end() { c.ends = append(c.ends, len(c.text)) }

func (c *cells) add(fields ...string) {
	for _, f := range fields {
		c.text = append(c.text, f...)
		c.end()
	}
}

func (c *cells) number(n uint64, base int) {
	c.text = strconv.AppendUint(c.text, n, base)
	c.end()
}

// each hands out the fields.
func (c *cells) each(yield func(i int, field []byte)) {
	start := 0
	for i, end := range c.ends {
		yield(i, c.text[start:end])
		start = end
	}
}

func (c *cells) strings() []string {
	fields := make([]string, len(c.ends))
	c.each(func(i int, field []byte) { fields[i] = string(field) })
	return fields
}

// NewSockets writes to w at the end.
func NewSockets(w io.Writer) *Sockets {
	return &Sockets{out: w, Headers: true, fitted: maxFitted}
}

// maxFitted is how many rows are measured to fit the columns; a longer list is
// padded to fixed widths, as it would take longer to measure than to read, and is not
// kept in memory.
const maxFitted = 5000

var socketsHeader = []string{"STATE", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "IN STATE", "OWNER", "FD"}
var socketsWide = []string{"NETNS", "COOKIE", "ROLE", "VERDICT", "SYN-Q", "UNACCEPTED", "CONTAINER", "UNIT", "NOTE"}

// Write implements sink.Writer for found sockets.
func (t *Sockets) Write(o *track.Observation) error {
	ev := &o.Event
	if ev.Kind != events.Inventory {
		return nil
	}
	c := &t.row
	c.text, c.ends = c.text[:0], c.ends[:0]
	t.fill(c, o)
	if t.padded != nil {
		return t.line(c)
	}
	t.rows = append(t.rows, c.strings())
	if len(t.rows) > t.fitted {
		return t.pad()
	}
	return nil
}

func (t *Sockets) fill(c *cells, o *track.Observation) {
	ev := &o.Event
	recv, send := record.Queues(ev)
	c.add(stateOf(ev))
	c.number(uint64(recv), 10)
	c.number(uint64(send), 10)
	c.text = appendEndpoint(c.text, ev.Local())
	c.end()
	if ev.To == model.Listen {
		c.text = append(c.text, '*')
	} else {
		c.text = appendEndpoint(c.text, ev.Remote())
	}
	c.end()
	if ev.To == model.TimeWait {
		c.text = append(appendDuration(c.text, ev.Remaining()), " left"...)
	} else {
		c.text = appendDuration(c.text, o.InState)
	}
	c.end()
	c.add(t.owner(o), fd(o.Owner.FD))
	if !t.Wide {
		return
	}
	c.add(Netns(o))
	if ev.Cookie != 0 {
		c.number(ev.Cookie, 16)
	} else {
		c.add("-")
	}
	c.add(o.Role.String(), t.Style.Verdict(o.Judgement.Verdict), synQueue(o), unaccepted(o),
		Container(o.Process), unit(o.Process), noteMeaning[o.Owner.Note%events.NumNote])
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

func fd(n int32) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(int(n))
}

func (t *Sockets) header() []string {
	if t.Wide {
		return slices.Concat(socketsHeader, socketsWide)
	}
	return socketsHeader
}

// Flush implements sink.Writer: it writes the table, or what is left of it.
func (t *Sockets) Flush() error {
	var err error
	if t.padded != nil {
		err = t.padded.Flush()
	} else {
		err = t.fit(t.header())
	}
	t.rows, t.padded = nil, nil
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

// pad begins to write rows at once, padded to fixed widths.
func (t *Sockets) pad() error {
	t.padded = bufio.NewWriterSize(t.out, 256<<10)
	if t.Headers {
		_ = t.line(cellsOf(t.header())) // a bufio.Writer keeps the error
	}
	for _, row := range t.rows {
		_ = t.line(cellsOf(row))
	}
	t.rows = nil
	_, err := t.padded.Write(nil)
	return err
}

func cellsOf(fields []string) *cells {
	c := &cells{}
	c.add(fields...)
	return c
}

func (t *Sockets) line(c *cells) error {
	const blanks = "                        " // as many as the widest column has
	c.each(func(i int, field []byte) {
		_, _ = t.padded.Write(field)
		if i+1 < len(c.ends) {
			missing := max(0, socketsWidths[i]-columns(field))
			_, _ = t.padded.WriteString(blanks[:missing])
			_ = t.padded.WriteByte(' ')
		}
	})
	if err := t.padded.WriteByte('\n'); err != nil {
		return fmt.Errorf("write sockets: %w", err)
	}
	return nil
}
