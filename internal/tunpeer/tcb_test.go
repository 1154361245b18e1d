package tunpeer

import "testing"

// established returns what the peer knows after a handshake, its numbers about
// to wrap.
func established() tcb {
	b := newTCB(1<<32 - 2)
	b.sent(Segment{Seq: b.iss, Flags: SYN})
	b.received(Segment{Seq: 1<<32 - 1, Ack: b.sndNxt, Flags: SYN | ACK})
	return b
}

func TestTCBLearns(t *testing.T) {
	b := established()
	if b.sndNxt != 1<<32-1 || b.sndUna != b.sndNxt || !b.synced || b.irs != 1<<32-1 || b.rcvNxt != 0 {
		t.Errorf("%+v", b)
	}
	b.received(Segment{Seq: 0, Ack: b.sndNxt, Flags: ACK, Payload: []byte("abc")})
	b.received(Segment{Seq: 4, Ack: b.sndNxt, Flags: ACK, Payload: []byte("after a hole")})
	if b.rcvNxt != 3 {
		t.Errorf("rcv_nxt %d, want 3", b.rcvNxt)
	}
	b.received(Segment{Seq: 1, Ack: b.sndNxt, Flags: ACK | FIN, Payload: []byte("bcd")})
	if b.rcvNxt != 5 {
		t.Errorf("rcv_nxt %d, want 5", b.rcvNxt)
	}
}

func TestTCBSent(t *testing.T) {
	for name, c := range map[string]struct {
		s    Segment
		want uint32 // how far SND.NXT moves
	}{
		"data":           {Segment{Flags: ACK, Payload: []byte("abc")}, 3},
		"fin":            {Segment{Flags: ACK | FIN}, 1},
		"ack":            {Segment{Flags: ACK}, 0},
		"rst":            {Segment{Flags: RST | ACK, Payload: []byte("abc")}, 0},
		"without ack":    {Segment{Flags: FIN, Payload: []byte("abc")}, 0},
		"ahead":          {Segment{Seq: 1, Flags: ACK, Payload: []byte("abc")}, 0},
		"retransmission": {Segment{Seq: 1<<32 - 1, Flags: ACK, Payload: []byte("abc")}, 2},
	} {
		b := established()
		next := b.sndNxt
		c.s.Seq += next
		b.sent(c.s)
		if got := b.sndNxt - next; got != c.want {
			t.Errorf("%s: moves by %d, want %d", name, got, c.want)
		}
	}
}

func TestTCBRepeats(t *testing.T) {
	b := established()
	b.sent(Segment{Seq: b.sndNxt, Flags: ACK, Payload: []byte("abc")})
	synAck := Segment{Seq: b.irs, Ack: b.sndUna, Flags: SYN | ACK}
	for name, c := range map[string]struct {
		s    Segment
		want bool
	}{
		"syn-ack":              {synAck, true},
		"with new data":        {Segment{Seq: b.irs, Ack: b.sndUna, Flags: ACK, Payload: []byte("ab")}, false},
		"with a new ack":       {Segment{Seq: b.irs, Ack: b.sndNxt, Flags: SYN | ACK}, false},
		"with an ack too far":  {Segment{Seq: b.irs, Ack: b.sndNxt + 1, Flags: SYN | ACK}, true},
		"bare ack":             {Segment{Seq: b.rcvNxt, Ack: b.sndUna, Flags: ACK}, false},
		"rst":                  {Segment{Seq: b.irs, Flags: RST, Payload: []byte("a")}, false},
		"data that comes next": {Segment{Seq: b.rcvNxt, Ack: b.sndUna, Flags: ACK, Payload: []byte("a")}, false},
	} {
		if got := b.repeats(c.s); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTCBBegin(t *testing.T) {
	crossing := newTCB(5)
	crossing.received(Segment{Seq: 7, Flags: SYN})
	if crossing.begin(9); !crossing.synced || crossing.irs != 7 || crossing.sndNxt != 9 {
		t.Errorf("crossing: %+v", crossing)
	}
	again := established()
	if again.begin(9); again != newTCB(9) {
		t.Errorf("again: %+v", again)
	}
}
