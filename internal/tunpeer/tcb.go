package tunpeer

// tcb is what the peer knows of a connection (RFC 9293, section 3.3.1), from
// its own side: SND is what it sends to the kernel, RCV what it has from there.
type tcb struct {
	iss    uint32 // of the peer
	sndUna uint32 // SND.UNA: the oldest that the kernel has not acknowledged
	sndNxt uint32 // SND.NXT
	synced bool   // irs and rcvNxt are known: the kernel's SYN was seen
	irs    uint32 // the kernel's ISS
	rcvNxt uint32 // RCV.NXT
}

// firstISS is the peer's initial sequence number where a script sets none.
const firstISS = 1_000_000

func newTCB(iss uint32) tcb { return tcb{iss: iss, sndUna: iss, sndNxt: iss} }

// begin prepares to send a SYN with this number: what is known of the kernel
// stays only if the SYN crosses the kernel's.
func (b *tcb) begin(seq uint32) {
	if b.sndNxt != b.iss {
		*b = newTCB(seq)
		return
	}
	b.iss, b.sndUna, b.sndNxt = seq, seq, seq
}

// sent takes a segment of the peer's into account, as the kernel would if it is
// right: what lies ahead of SND.NXT leaves a hole, and what has neither ACK nor
// SYN is dropped (RFC 9293, section 3.10.7.4).
func (b *tcb) sent(s Segment) {
	if s.Flags&(ACK|SYN) == 0 || s.Flags&RST != 0 || before(b.sndNxt, s.Seq) {
		return
	}
	if before(b.sndNxt, s.end()) {
		b.sndNxt = s.end()
	}
}

// received takes a segment of the kernel's into account.
func (b *tcb) received(s Segment) {
	if s.Flags&RST != 0 {
		return
	}
	if s.Flags&SYN != 0 && !b.synced {
		b.synced, b.irs, b.rcvNxt = true, s.Seq, s.Seq
	}
	if b.synced && !before(b.rcvNxt, s.Seq) && before(b.rcvNxt, s.end()) {
		b.rcvNxt = s.end()
	}
	if b.acknowledges(s) {
		b.sndUna = s.Ack
	}
}

// acknowledges reports whether a segment of the kernel's acknowledges more than
// those before it, of what was sent.
func (b *tcb) acknowledges(s Segment) bool {
	return s.Flags&ACK != 0 && before(b.sndUna, s.Ack) && !before(b.sndNxt, s.Ack)
}

// repeats reports whether a segment of the kernel's was there before: it has
// sequence numbers, none of them new, and acknowledges nothing new.
func (b *tcb) repeats(s Segment) bool {
	return b.synced && s.Flags&RST == 0 && s.Len() > 0 && !before(b.rcvNxt, s.end()) && !b.acknowledges(s)
}
