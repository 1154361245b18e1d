package model

// Ending is everything known when a full socket has reached CLOSE and late
// evidence (a reset sent in reply, a few microseconds after) has had time to
// arrive.
type Ending struct {
	From     State    // the state it left
	Evidence Evidence // of the ->CLOSE event
	Role     Role
	// FirstFIN is who sent the first FIN of this life: local if FIN_WAIT1 was
	// entered, peer if CLOSE_WAIT was.
	FirstFIN          Closer
	Established       bool // ESTABLISHED was entered, or is known to have been
	SimultaneousClose bool // went through CLOSING

	// ResetReceived is tcp_receive_reset just before the end. The kernel also
	// fires it with no RST received, when it resets a socket for data that
	// came after close().
	ResetReceived   bool
	ResetSent       bool // tcp_send_reset around the end
	ResetSentActive bool // of our own accord (skb NULL), not in reply to a segment
	ResetBefore     bool // sent before ->CLOSE, not after
	HasResetReason  bool
	ResetReason     string // enum sk_rst_reason without SK_RST_REASON_, Linux 6.10 and later

	SynRetransmits    uint32
	SynAckRetransmits uint32
	FinRetransmits    uint32
	DataRetransmits   uint32

	MidLife   bool // Machine.MidLife
	Gap       bool // Machine.Gap
	LostSince bool // events were lost during this life
}

// Closure is the judgement of an Ending.
type Closure struct {
	Reason  CloseReason
	By      Closer
	Verdict Verdict
	Rule    Rule
	Why     string // static text: one plain sentence
}

// Judge says why the socket ended, who ended it, and what to think of that.
// It never allocates.
//
// Who did it: an orderly end, who sent the first FIN (of a simultaneous close,
// this end); a reset or a refusal, the peer; an abort, a disconnect, an
// abandoned handshake, data that came after close(), the local application; a
// timeout, a limit, an unreachable network, a kill by an administrator, the
// kernel.
//
// The reason rests on the closing event and is stated even of a socket met
// mid-life. The verdict of a whole life needs the whole life: without it, only
// an abnormal end, which proves itself, is more than Unjudged.
func (e *Ending) Judge() Closure {
	c := Closure{Verdict: Unjudged, Rule: RuleEndUnknown}
	absence := false // rests on what was not seen
	for i := range endings {
		row := &endings[i]
		if row.from.has(e.From) && row.when(e) {
			c = Closure{Reason: row.reason, By: row.by, Verdict: row.verdict, Rule: endingRule(i)}
			absence = row.absence
			break
		}
	}
	if c.Reason == ReasonFin {
		e.refineFin(&c)
	}
	if c.Verdict != Abnormal && c.Reason != ReasonListenEnded {
		switch unsure := absence || c.Reason == ReasonUnknown; {
		case e.Gap, e.LostSince && unsure:
			c.Verdict, c.Rule = Unjudged, RuleEventsLost
		case e.MidLife:
			c.Verdict, c.Rule = Unjudged, RuleBeganBefore
		}
	}
	c.Why = c.Rule.Why()
	return c
}

// refineFin adds to an orderly end what the life before it says.
func (e *Ending) refineFin(c *Closure) {
	if e.FirstFIN != ClosedByUnknown {
		c.By = e.FirstFIN
	}
	switch {
	case e.SimultaneousClose:
		c.By, c.Verdict, c.Rule = ClosedByLocal, Notable, RuleFinSimultaneous
	case e.SynRetransmits > 0, e.SynAckRetransmits > 0, e.FinRetransmits > 0:
		c.Verdict, c.Rule = Notable, RuleFinRetransmitted
	}
}

// The errno values that sk_err can hold at an end (asm-generic/errno.h).
const (
	errACCES        = 13
	errPIPE         = 32
	errNONET        = 64
	errPROTO        = 71
	errNOPROTOOPT   = 92
	errOPNOTSUPP    = 95
	errNETDOWN      = 100
	errNETUNREACH   = 101
	errCONNABORTED  = 103
	errCONNRESET    = 104
	errTIMEDOUT     = 110
	errCONNREFUSED  = 111
	errHOSTDOWN     = 112
	errHOSTUNREACH  = 113
	shutdownBoth    = 3
	reasonUnnamed   = "NOT_SPECIFIED" // what active resets carry in Linux 6.10 and 6.11
	reasonOnClose   = "TCP_ABORT_ON_CLOSE"
	reasonOnData    = "TCP_ABORT_ON_DATA"
	reasonOnLinger  = "TCP_ABORT_ON_LINGER"
	reasonKeepalive = "TCP_KEEPALIVE_TIMEOUT"
)

// The small facts that the table of endings is made of.

func always(*Ending) bool { return true }

func (e *Ending) err(n uint16) bool { return e.Evidence.Err == n }
func (e *Ending) noErr() bool       { return e.Evidence.Err == 0 }
func (e *Ending) has(f Flags) bool  { return e.Evidence.Has(f) }

// fatalErr: an error that itself ends a connection. Others can be left over
// from an ICMP message that the socket survived (IP_RECVERR).
func (e *Ending) fatalErr() bool {
	switch e.Evidence.Err {
	case errPIPE, errCONNABORTED, errCONNRESET, errTIMEDOUT:
		return true
	}
	return false
}

// icmpErr: an error that an ICMP message about the path becomes
// (icmp_err_convert, icmpv6_err_convert).
func (e *Ending) icmpErr() bool {
	switch e.Evidence.Err {
	case errHOSTUNREACH, errNETUNREACH, errNETDOWN, errHOSTDOWN, errNONET,
		errNOPROTOOPT, errOPNOTSUPP, errPROTO, errACCES:
		return true
	}
	return false
}

// acked: the peer acknowledged all we ever queued, our FIN with it.
func (e *Ending) acked() bool { return e.Evidence.SndUna == e.Evidence.WriteSeq }

// unread: bytes were received and not read; the peer's FIN is not a byte.
func (e *Ending) unread() bool {
	n := int32(e.Evidence.RcvNxt - e.Evidence.CopiedSeq)
	if e.has(Done) {
		n--
	}
	return n > 0
}

// local: a process acts on its own socket, and no error came before. All of
// tcp_disconnect and the aborts of close() look like this.
func (e *Ending) local() bool {
	return e.noErr() && e.has(Owned|HasSocket) && !e.has(Dead)
}

// closing: local, and the call is close(), or shutdown() was called for both
// directions before.
func (e *Ending) closing() bool { return e.local() && e.Evidence.Shutdown&shutdownBoth == shutdownBoth }

// orphan: the application has closed, and no error came before.
func (e *Ending) orphan() bool { return e.noErr() && e.has(Dead) }

// ownerless: no application ever had it, a child in a listener's queue. The
// subflows of MPTCP have no socket either.
func (e *Ending) ownerless() bool {
	return e.noErr() && !e.has(HasSocket) && !e.has(Dead) && !e.has(MPTCP) && !e.has(Owned)
}

// reason: the kernel named this reason for its reset.
func (e *Ending) reason(name string) bool {
	return e.ResetSent && e.HasResetReason && e.ResetReason == name
}

// mayBe: the kernel did not name another reason.
func (e *Ending) mayBe(name string) bool {
	return !e.HasResetReason || e.ResetReason == name || e.ResetReason == reasonUnnamed
}

// resetInReply: a segment came that we had to answer with an RST, after the
// end. An RST is never answered so (RFC 9293 3.10.7.1).
func (e *Ending) resetInReply() bool { return e.ResetSent && !e.ResetSentActive && !e.ResetBefore }

// resetAtEnd: an RST was sent that goes with the end. One in reply that came before it
// does not: it answered an old segment during the handshake (RFC 9293 3.5.1, figure
// 10), a moment ago, and the socket lived on.
func (e *Ending) resetAtEnd() bool { return e.ResetSent && (e.ResetSentActive || !e.ResetBefore) }

// timedOut: tcp_write_err, which prefers an ICMP error remembered on the way
// (sk_err_soft) to ETIMEDOUT.
func (e *Ending) timedOut() bool {
	if e.err(errTIMEDOUT) {
		return true
	}
	waiting := e.Evidence.Retransmits > 0 || e.Evidence.Probes > 0
	return waiting && (e.icmpErr() || e.err(errCONNREFUSED)) && !(e.ResetSent && !e.ResetBefore)
}
