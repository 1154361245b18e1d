package tunpeer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// patience bounds how long the kernel may take for what a script expects. Only
// a failing script waits so long; a guest without hardware's help is slow, and
// the kernel's own timers begin at one second.
const patience = 20 * time.Second

// Conn is one connection between the kernel and the peer, or what becomes of
// it: a pair of addresses and ports which may be used again and again. It is
// not for several goroutines at a time.
type Conn struct {
	Kernel netip.AddrPort // the kernel's end
	Peer   netip.AddrPort // the forged end

	peer     *Peer
	endpoint *endpoint
	tcb      tcb
	read     uint64  // entries of the log before this one were looked at
	last     Segment // the kernel's last one that was expected
}

// Conn returns a connection to be, with an address of the peer's for each, and
// with ports of its own as long as there are fewer than 488 of them.
func (p *Peer) Conn(f kerneltest.Family) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.conns
	p.conns++
	port := func(i int) uint16 { return uint16(firstPort + (p.ports+i)%manyPorts) }
	c := &Conn{
		Kernel: netip.AddrPortFrom(p.KernelAddr(f), port(2*n)),
		Peer:   netip.AddrPortFrom(p.ForgedAddr(f, n), port(2*n+1)),
		peer:   p,
		tcb:    newTCB(firstISS),
		read:   p.Stats().Segments,
	}
	c.endpoint = newEndpoint(p.netns, c.Kernel, c.Peer)
	p.t.Cleanup(c.endpoint.closeAll)
	return c
}

// segment returns a segment of the peer's at SND.NXT, acknowledging RCV.NXT.
func (c *Conn) segment(flags Flags) Segment {
	s := Segment{Src: c.Peer, Dst: c.Kernel, Seq: c.tcb.sndNxt, Flags: flags, Window: 65535}
	if flags&ACK != 0 {
		s.Ack = c.tcb.rcvNxt
	}
	return s
}

// fromKernel reports whether an entry is the kernel's part of the connection.
func (c *Conn) fromKernel(e Entry) bool {
	return e.FromKernel && e.Segment.Src == c.Kernel && e.Segment.Dst == c.Peer
}

// errSilence is what next returns if nothing came.
var errSilence = errors.New("no segment")

// next returns the next segment of the kernel's that was not looked at yet,
// waiting for it until the deadline.
func (c *Conn) next(deadline time.Time) (Segment, error) {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	for {
		e, ok, gone, changed := c.peer.log.after(c.read, c.fromKernel)
		if gone > 0 {
			return Segment{}, fmt.Errorf("the log lost %d segments, it keeps %d", gone, maxLog)
		}
		if ok {
			c.read = e.Number + 1
			return e.Segment, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return Segment{}, errSilence
		}
	}
}

// maxTrace is how many segments an error shows.
const maxTrace = 40

// Trace returns the connection's newest segments as lines like tcpdump's, with
// numbers relative to the last initial ones.
func (c *Conn) Trace() string {
	lines := []string{}
	for _, e := range c.peer.Log() {
		if e.Segment.Src == c.Kernel && e.Segment.Dst == c.Peer || e.Segment.Src == c.Peer && e.Segment.Dst == c.Kernel {
			lines = append(lines, c.line(e))
		}
	}
	if len(lines) > maxTrace {
		lines = append([]string{fmt.Sprintf("  … %d before", len(lines)-maxTrace)}, lines[len(lines)-maxTrace:]...)
	}
	if len(lines) == 0 {
		return "  no segments\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

// line prints an entry.
func (c *Conn) line(e Entry) string {
	way, text := "peer > kernel", ""
	if e.FromKernel {
		way = "kernel > peer"
	}
	if e.Segment.Src == c.Peer {
		text = e.Segment.format(c.tcb.iss, c.tcb.irs)
	} else {
		text = e.Segment.format(c.tcb.irs, c.tcb.iss)
	}
	if e.Note != "" {
		text = e.Note + " " + text
	}
	return fmt.Sprintf("  %9.3f %s: %s", float64(e.Since.Microseconds())/1000, way, text)
}
