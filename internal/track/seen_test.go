package track

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/model"
)

func TestSeen(t *testing.T) {
	const second = 1e9
	ended := func(from model.State, e model.Evidence, r Retransmits, facts Fact) *Socket {
		return &Socket{EndFrom: from, Last: e, Retransmits: r, Facts: facts | Ended | Reported, EndTime: 100 * second, ResetTime: 100 * second}
	}
	for _, c := range []struct {
		name string
		s    *Socket
		want string
	}{
		{"nothing", ended(model.LastAck, model.Evidence{SndUna: 8, WriteSeq: 8}, Retransmits{}, 0), ""},
		{"still open", &Socket{State: model.Established, Retransmits: Retransmits{Data: 3}}, ""},
		{"listener", ended(model.Listen, model.Evidence{Err: uint16(unix.EHOSTUNREACH)}, Retransmits{}, 0), ""},
		{"SYN thrice, then refused",
			ended(model.SynSent, model.Evidence{SndUna: 7, WriteSeq: 8, Err: uint16(unix.ECONNREFUSED)}, Retransmits{SYN: 3, Last: SegmentSYN, First: 1, Until: 7*second + 20e6}, ResetIn),
			"SYN retransmitted 3 times over 7 s, RST received in SYN_SENT"},
		{"refused by ICMP", ended(model.SynSent, model.Evidence{Err: uint16(unix.ECONNREFUSED)}, Retransmits{}, 0), "error ECONNREFUSED"},
		{"unreachable, and another error before",
			ended(model.SynSent, model.Evidence{Err: uint16(unix.EHOSTUNREACH), ErrSoft: uint16(unix.ENETUNREACH)}, Retransmits{SYN: 1, Last: SegmentSYN, First: second, Until: 2500e6}, 0),
			"SYN retransmitted once over 1.5 s, error EHOSTUNREACH, error ENETUNREACH before"},
		{"reset with data unread", ended(model.Established, model.Evidence{RcvNxt: 13, CopiedSeq: 10, Err: uint16(unix.ECONNRESET)}, Retransmits{}, ResetIn),
			"RST received in ESTABLISHED, 3 bytes unread"},
		{"the FIN is no byte", ended(model.CloseWait, model.Evidence{RcvNxt: 13, CopiedSeq: 11, Flags: model.Done}, Retransmits{}, ResetOut|ResetOutOwn), "RST sent in CLOSE_WAIT, 1 byte unread"},
		{"data after close: no RST was received", ended(model.FinWait2, model.Evidence{Err: uint16(unix.ECONNRESET)}, Retransmits{}, ResetIn|ResetOut),
			"a segment in FIN_WAIT2 answered with RST"},
		{"a reset sent long before is none of the end's", func() *Socket {
			s := ended(model.Established, model.Evidence{}, Retransmits{}, ResetOut)
			s.ResetTime = 90 * second
			return s
		}(), ""},
		{"data, by causes", ended(model.Established, model.Evidence{SndUna: 1, WriteSeq: 11, Err: uint16(unix.ETIMEDOUT)}, Retransmits{Data: 9, Fast: 2, Probe: 1, Last: SegmentData, First: 1, Until: 204e6}, 0),
			"data retransmitted 9 times (2 fast, 1 as a probe) over 203 ms, 10 bytes not acknowledged"},
		{"a probe alone", ended(model.LastAck, model.Evidence{SndUna: 11, WriteSeq: 11}, Retransmits{Data: 1, Probe: 1}, 0), "data retransmitted once (1 as a probe)"},
		{"FIN lost", ended(model.FinWait1, model.Evidence{SndUna: 10, WriteSeq: 11, Err: uint16(unix.ETIMEDOUT)}, Retransmits{FIN: 5, Last: SegmentFIN, First: second, Until: 63 * second}, 0),
			"FIN retransmitted 5 times over 62 s, our FIN not acknowledged"},
		{"FIN and data", ended(model.LastAck, model.Evidence{SndUna: 4, WriteSeq: 11}, Retransmits{Failed: 1}, 0), "1 retransmission failed here, 6 bytes and our FIN not acknowledged"},
		{"probes", ended(model.Established, model.Evidence{Probes: 4}, Retransmits{}, 0), "4 probes unanswered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.s.AppendSeen(nil)); got != c.want {
				t.Errorf("seen %q, want %q", got, c.want)
			}
		})
	}
}
