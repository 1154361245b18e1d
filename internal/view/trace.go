package view

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Trace writes one line of text per observation.
type Trace struct {
	Wide        bool
	Headers     bool // print column names before the first line
	Inventory   bool // print the sockets that were there
	Style       Style
	Epoch       int64 // wall clock at 0 of the events' clock, ns since 1970
	Location    *time.Location
	ResetReason func(uint32) string

	out   *bufio.Writer
	begun bool
}

// NewTrace writes to w.
func NewTrace(w io.Writer) *Trace {
	return &Trace{out: bufio.NewWriterSize(w, 64<<10), Location: time.Local, Headers: true}
}

// The columns are padded, not fitted: lines come one by one. Each is as wide
// as the longest of its kind; only IPv6 and escapes are longer.
const (
	timeWidth  = len("15:04:05.000000")
	tupleWidth = len("255.255.255.255:65535 > 255.255.255.255:65535")
	whatWidth  = len("closed: reset_by_local_linger")
	ageWidth   = len("IN STATE")
	ownerWidth = len("~a name of 15 c/1234567")
)

// Write implements sink.Writer.
func (t *Trace) Write(o *track.Observation) error {
	if o.Event.Kind == events.Inventory && !t.Inventory {
		return nil
	}
	if !t.begun {
		t.begun = true
		if t.Headers {
			t.header()
		}
	}
	t.line(o)
	return nil
}

// Flush implements sink.Writer.
func (t *Trace) Flush() error {
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

func (t *Trace) header() {
	fields := []string{pad("TIME", timeWidth), pad("SOCKET", tupleWidth), pad("EVENT", whatWidth), pad("IN STATE", ageWidth), pad("OWNER", ownerWidth), "VERDICT"}
	if t.Wide {
		fields = append(fields[:5], pad("ID", 8), pad("COOKIE", 10), pad("NETNS", 10), pad("ROLE", 8), pad("SND_UNA", 10), pad("SND_NXT", 10), pad("RCV_NXT", 10), pad("CONTAINER", 12), "VERDICT")
	}
	t.print(fields)
}

func (t *Trace) print(fields []string) {
	line := strings.TrimRight(strings.Join(fields, " "), " ")
	_, _ = t.out.WriteString(line) // bufio keeps the error for Flush
	_ = t.out.WriteByte('\n')
}

func (t *Trace) line(o *track.Observation) {
	ev := &o.Event
	clock := time.Unix(0, t.Epoch+int64(ev.Time)).In(t.Location).Format("15:04:05.000000")
	if ev.Kind == events.Lost {
		t.print([]string{clock, t.Style.Loss(Lost(ev))})
		return
	}
	what, verdict := t.what(o)
	fields := []string{clock, pad(Tuple(ev), tupleWidth), pad(what, whatWidth), padLeft(inState(o), ageWidth), pad(Owner(&o.Owner), ownerWidth)}
	if t.Wide {
		fields = append(fields,
			pad(id(o), 8), pad(strconv.FormatUint(ev.Cookie, 16), 10), pad(Netns(o), 10), pad(o.Role.String(), 8),
			pad(strconv.FormatUint(uint64(ev.SndUna), 10), 10), pad(strconv.FormatUint(uint64(ev.SndNxt), 10), 10), pad(strconv.FormatUint(uint64(ev.RcvNxt), 10), 10), pad(Container(o.Process), 12))
	}
	t.print(append(fields, verdict))
}

func id(o *track.Observation) string {
	if o.ID == 0 {
		return "-"
	}
	return strconv.FormatUint(o.ID, 10)
}

func inState(o *track.Observation) string {
	switch o.Event.Kind {
	case events.Transition:
		return Duration(o.InState)
	case events.Mini:
		if o.MiniEnded {
			return Duration(o.InState)
		}
	case events.Closed:
		if o.Socket != nil && o.Socket.EndTime >= o.Socket.Born {
			d := Duration(int64(o.Socket.EndTime - o.Socket.Born))
			if o.Socket.Is(track.BeganBefore) {
				return ">" + d
			}
			return d
		}
	}
	return ""
}

// what names the event, and what to think of it.
func (t *Trace) what(o *track.Observation) (what, verdict string) {
	ev := &o.Event
	switch ev.Kind {
	case events.Transition:
		return ev.From.String() + ">" + ev.To.String(), t.verdict(o.Judgement, o.LostSince)
	case events.Inventory:
		what = "found " + ev.To.String()
		if ev.To == model.TimeWait && ev.From != model.TimeWait {
			what += " (" + ev.From.String() + ")"
		}
		switch o.Mended {
		case track.MendedMissing:
			return what, t.Style.Dim("repair: it was there, and its events were lost")
		case track.MendedState:
			return what, t.Style.Dim("repair: events were lost, and it was taken to be in another state")
		}
		return what, t.Style.Dim("began before the watch")
	case events.Mini:
		return t.timeWait(o)
	case events.Retransmit, events.SynAck:
		what = "retransmit " + o.Segment.String() + " #" + strconv.FormatUint(uint64(o.Count), 10)
		note := "in " + ev.To.String() + ", seq " + strconv.FormatUint(uint64(ev.Seq()), 10)
		if cause := againWords[ev.Again()]; cause != "" {
			note += ", " + cause
		}
		if ev.Err != 0 && ev.Kind == events.Retransmit {
			note += ", failed: errno " + strconv.Itoa(int(ev.Err))
		}
		return what, note
	case events.ResetSent:
		note := "in " + ev.To.String()
		if reason, ok := ev.ResetReason(); ok && t.ResetReason != nil {
			note += ", " + t.ResetReason(reason)
		}
		return "reset sent", note
	case events.ResetReceived:
		return "reset received", "in " + ev.To.String()
	case events.Closed:
		return t.closed(o)
	}
	return ev.Kind.String(), ""
}

var againWords = map[events.Again]string{
	events.AgainRTO:   "after a timeout (RTO)",
	events.AgainFast:  "fast",
	events.AgainProbe: "as a tail loss probe",
}

// timeWait tells of the beginning or the end of a mini-socket.
func (t *Trace) timeWait(o *track.Observation) (what, verdict string) {
	if !o.MiniEnded {
		what = "TIME_WAIT begins"
		if o.Event.From == model.FinWait2 {
			what = "FIN_WAIT2 (mini) begins"
		}
		return what, "for " + Duration(o.Event.Remaining())
	}
	end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
	what = "TIME_WAIT " + end.String()
	if o.Successor != 0 {
		what += " by #" + strconv.FormatUint(o.Successor, 10)
	}
	return what, t.verdict(o.Judgement, 0)
}

func (t *Trace) closed(o *track.Observation) (what, verdict string) {
	verdict = t.Style.Verdict(o.Judgement.Verdict)
	if by := o.Socket.End.By.String(); by != "" {
		verdict += ", by " + by
	}
	if why := Why(o.Judgement, 0); why != "" {
		verdict += ": " + why
	}
	if seen := o.Socket.AppendSeen(nil); len(seen) > 0 {
		verdict += " Seen: " + string(seen) + "."
	}
	return "closed: " + o.Socket.End.Reason.String(), verdict
}

func (t *Trace) verdict(j model.Judgement, lost uint64) string {
	verdict := t.Style.Verdict(j.Verdict)
	if why := Why(j, lost); why != "" {
		verdict += ": " + why
	}
	return verdict
}

// Lost says that the stream has a hole.
func Lost(ev *events.Event) string {
	return fmt.Sprintf("--- %d events lost (%s): %s", ev.LostCount, ev.Where, lossMeaning[ev.Where%events.NumWhere])
}

var lossMeaning = [events.NumWhere]string{
	events.WhereRing:   "the ring buffer was full; a larger --ring-size helps",
	events.WhereNested: "the kernel skipped the program while it was running",
	events.WhereTable:  "the socket table was full; a larger --max-sockets helps",
	events.WhereQueue:  "the output was slower than the stream; a FILTER or a file helps",
	events.WhereSink:   "an output failed",
}

// columns returns how wide a terminal draws s: east Asian characters take two.
func columns[T string | []byte](s T) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return text.StringWidthWithoutEscSequences(string(s))
		}
	}
	return len(s)
}

// pad fills s to width columns; what is longer stays whole.
func pad(s string, width int) string {
	if n := columns(s); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

func padLeft(s string, width int) string {
	if n := columns(s); n < width {
		return strings.Repeat(" ", width-n) + s
	}
	return s
}
