package track

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// AppendSeen appends what was seen of the end of a life, for a person: what was sent
// again and for how long, resets, data that nobody read or acknowledged. It appends
// nothing where there is nothing, and to a life that has not ended.
func (s *Socket) AppendSeen(b []byte) []byte {
	if !s.Is(Reported) || s.EndFrom == model.Listen {
		return b
	}
	l := phrases{b: b}
	s.seenAgain(&l)
	if n := s.Last.Probes; n > 0 {
		l.count(uint64(n), "probe", "unanswered")
	}
	s.seenResets(&l)
	s.seenData(&l)
	s.seenErrors(&l)
	return l.b
}

// phrases is a text of phrases with commas between.
type phrases struct {
	b     []byte
	begun bool
}

func (l *phrases) next() {
	if l.begun {
		l.b = append(l.b, ", "...)
	}
	l.begun = true
}

func (l *phrases) add(words ...string) {
	l.next()
	for _, p := range words {
		l.b = append(l.b, p...)
	}
}

// count adds "3 bytes unread".
func (l *phrases) count(n uint64, what, how string) {
	l.next()
	l.b = append(strconv.AppendUint(l.b, n, 10), ' ')
	l.b = append(l.b, what...)
	if n != 1 {
		l.b = append(l.b, 's')
	}
	l.b = append(append(l.b, ' '), how...)
}

func (s *Socket) seenAgain(l *phrases) {
	r := &s.Retransmits
	for _, k := range [...]struct {
		n    uint32
		seg  Segment
		name string
	}{{r.SYN, SegmentSYN, "SYN"}, {r.SYNACK, SegmentSYNACK, "SYN-ACK"}, {r.Data, SegmentData, "data"}, {r.FIN, SegmentFIN, "FIN"}} {
		if k.n == 0 {
			continue
		}
		l.add(k.name, " retransmitted ")
		l.times(k.n)
		if k.seg == SegmentData {
			l.causes(r)
		}
		if over := r.Over(); k.seg == r.Last && over >= uint64(time.Millisecond) {
			l.b = appendSpan(append(l.b, " over "...), time.Duration(over))
		}
	}
	if r.Failed > 0 {
		l.count(uint64(r.Failed), "retransmission", "failed here")
	}
}

func (l *phrases) times(n uint32) {
	if n == 1 {
		l.b = append(l.b, "once"...)
		return
	}
	l.b = append(strconv.AppendUint(l.b, uint64(n), 10), " times"...)
}

// causes says which retransmissions no timeout caused.
func (l *phrases) causes(r *Retransmits) {
	for i, c := range [...]struct {
		n    uint32
		name string
	}{{r.Fast, "fast"}, {r.Probe, "as a probe"}} {
		switch {
		case c.n == 0:
			continue
		case i > 0 && r.Fast > 0:
			l.b = append(l.b, ", "...)
		default:
			l.b = append(l.b, " ("...)
		}
		l.b = strconv.AppendUint(l.b, uint64(c.n), 10)
		l.b = append(append(l.b, ' '), c.name...)
	}
	if r.Fast|r.Probe != 0 {
		l.b = append(l.b, ')')
	}
}

// appendSpan appends a duration with as many digits as matter in a sentence.
func appendSpan(b []byte, d time.Duration) []byte {
	switch {
	case d < time.Second:
		return append(strconv.AppendInt(b, d.Milliseconds(), 10), " ms"...)
	case d < 10*time.Second && d.Round(time.Second/10)%time.Second != 0:
		return append(strconv.AppendFloat(b, d.Seconds(), 'f', 1, 64), " s"...)
	}
	return append(strconv.AppendInt(b, int64(d.Round(time.Second)/time.Second), 10), " s"...)
}

func (s *Socket) seenResets(l *phrases) {
	sent := s.Is(ResetOut) && s.resetAtEnd()
	inReply := sent && !s.Is(ResetOutOwn) && !s.Is(ResetOutFirst)
	switch {
	case inReply: // and none was received: the kernel reset the socket itself (model.Ending)
		l.add("a segment in ", s.EndFrom.String(), " answered with RST")
	case sent:
		l.add("RST sent in ", s.EndFrom.String())
	case s.Is(ResetIn):
		l.add("RST received in ", s.EndFrom.String())
	}
}

// seenData tells of what the application never read, and the peer never acknowledged.
// Our FIN is the last of what is queued.
func (s *Socket) seenData(l *phrases) {
	switch s.EndFrom {
	case model.SynSent, model.SynRecv:
		return
	}
	ev := events.Event{Evidence: s.Last}
	if n := ev.Unread(); n > 0 && n < 1<<31 {
		l.count(uint64(n), "byte", "unread")
	}
	n := s.Last.WriteSeq - s.Last.SndUna
	fin := s.EndFrom != model.Established && s.EndFrom != model.CloseWait
	switch {
	case n == 0 || n >= 1<<31:
		return
	case fin && n > 1:
		l.count(uint64(n-1), "byte", "and our FIN not acknowledged")
	case fin:
		l.add("our FIN not acknowledged")
	default:
		l.count(uint64(n), "byte", "not acknowledged")
	}
}

// seenErrors names what the network said; the other errors are what the reason says.
func (s *Socket) seenErrors(l *phrases) {
	switch e := unix.Errno(s.Last.Err); e {
	case 0, unix.ECONNRESET, unix.EPIPE, unix.ETIMEDOUT, unix.ECONNABORTED:
	case unix.ECONNREFUSED:
		if !s.Is(ResetIn) {
			l.add("error ECONNREFUSED")
		}
	default:
		l.add("error ", nameOf(e))
	}
	if e := unix.Errno(s.Last.ErrSoft); e != 0 && uint16(e) != s.Last.Err {
		l.add("error ", nameOf(e), " before")
	}
}

func nameOf(e unix.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return strconv.Itoa(int(e))
}
