package tui

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// verdict says how the life ended, or how it stands.
func (w *writer) verdict() {
	s := w.s
	if w.detail.gone {
		w.prose(warnStyle, "The table has dropped this socket; this is the last that was seen of it.")
	}
	switch {
	case s.Open():
		w.judged(s.Worst, "open", "so far")
		w.worstWhy()
	case !s.Is(track.Reported):
		w.prose(dimStyle, "ended; waiting for late evidence")
	case s.Steps == 0:
		w.prose(dimStyle, "ended before the watch began")
	default:
		w.judged(s.End.Verdict, endText(s.End.Reason, s.End.By), "after "+span(between(s.Born, s.EndTime)))
		w.why(s.End.Rule)
		if seen := s.AppendSeen(nil); len(seen) > 0 {
			w.prose(plainStyle, "Seen: "+string(seen)+".")
		}
	}
	w.mini()
	if s.Held() {
		w.prose(noteStyle, "held: it has ended and its memory is still in use, as by an open file descriptor. Neither ss nor /proc shows it.")
	}
	if s.Is(track.Incomplete) {
		w.prose(warnStyle, "Events were lost during this life: it may be incomplete.")
	}
}

// mini tells of the mini-socket that follows.
func (w *writer) mini() {
	switch m := &w.s.Mini; {
	case m.Presumed():
		w.prose(dimStyle, "Waits in "+m.Substate.String()+" as a mini-socket, most likely: nothing has shown it yet.")
	case m.Waiting():
		left := ""
		if m.Expires > w.now {
			left = ", " + span(int64(m.Expires-w.now)) + " left"
		}
		w.prose(dimStyle, "Waits in "+m.Substate.String()+" as a mini-socket"+left+".")
	case m.Ended():
		j := m.End.Judge()
		w.judged(j.Verdict, "TIME_WAIT "+m.End.String(), "after "+span(between(m.Since, m.EndTime)))
		w.why(j.Rule)
	}
}

func (w *writer) judged(v model.Verdict, what, when string) {
	st := verdictStyle(v)
	w.add(run{plainStyle, indent}, run{st, w.glyphs.verdict(v) + " " + v.String()},
		run{boldStyle, "  " + what}, run{dimStyle, "  " + when})
}

// worstWhy explains what makes an open socket more than normal.
func (w *writer) worstWhy() {
	for _, step := range w.s.History() {
		if step.Verdict == w.s.Worst && step.Verdict > model.Normal {
			w.why(step.Rule)
			return
		}
	}
}

func (w *writer) why(r model.Rule) {
	if r == model.RuleNone {
		return
	}
	text := r.Why() + " (" + r.String()
	if section := r.Section(); section != "" {
		text += ", " + section
	}
	w.prose(plainStyle, text+")")
}

// facts adds the numbers.
func (w *writer) facts() {
	s, e := w.s, &w.s.Last
	r := &s.Retransmits
	fact := func(name string, n uint64) run {
		if n == 0 {
			return run{dimStyle, name + " 0"}
		}
		return run{plainStyle, name + " " + grouped(n)}
	}
	ev := events.Event{Evidence: *e}
	w.chain(
		run{dimStyle, "sent again"},
		fact("data", uint64(r.Data)), fact("syn", uint64(r.SYN)), fact("synack", uint64(r.SYNACK)),
		fact("fin", uint64(r.FIN)), fact("failed", uint64(r.Failed)),
	)
	if s.State != model.Listen {
		w.chain(
			fact("unread", uint64(ev.Unread())),
			fact("unacked", uint64(e.SndNxt-e.SndUna)), fact("unsent", uint64(e.WriteSeq-e.SndNxt)),
			fact("acked", e.BytesAcked), fact("received", e.BytesReceived),
		)
		w.chain(
			seq("snd_una", e.SndUna), seq("snd_nxt", e.SndNxt), seq("write_seq", e.WriteSeq),
			seq("rcv_nxt", e.RcvNxt), seq("copied_seq", e.CopiedSeq),
		)
	}
	w.chain(
		run{dimStyle, "socket " + strconv.FormatUint(s.ID, 10)},
		optional("sk:", strconv.FormatUint(s.Cookie, 16), s.Cookie != 0), // as ss -e prints the cookie
		optional("netns cookie ", strconv.FormatUint(s.NetnsCookie, 10), s.NetnsCookie != 0),
		optional("err ", unix.ErrnoName(syscall.Errno(e.Err)), e.Err != 0),
		optional("err_soft ", unix.ErrnoName(syscall.Errno(e.ErrSoft)), e.ErrSoft != 0),
	)
}

func seq(name string, n uint32) run {
	return run{dimStyle, name + " " + strconv.FormatUint(uint64(n), 10)}
}

func optional(name, value string, known bool) run {
	if !known {
		return run{}
	}
	return run{dimStyle, name + value}
}

// ownerInWords names an owner and how it is known, safe to print.
func ownerInWords(o *events.Owner) string {
	switch o.Provenance {
	case events.ProvenanceUnknown:
		return "owner unknown"
	case events.ProvenanceKernel:
		return "the kernel's own"
	}
	text := strconv.FormatUint(uint64(o.PID), 10) + "/" + string(appendComm(nil, &o.Comm))
	if o.FD >= 0 {
		text += " fd " + strconv.FormatInt(int64(o.FD), 10)
	}
	if o.Provenance == events.ProvenanceInherited {
		text += " (the listener's)"
	}
	return text
}
