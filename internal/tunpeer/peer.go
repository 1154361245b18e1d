package tunpeer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Peer is the other end of every connection through a TUN device in a network
// namespace. Its methods may be called from any goroutine.
type Peer struct {
	netns  *kerneltest.Netns
	t      testing.TB
	ipv4   subnet
	ipv6   subnet
	device *os.File
	log    *log
	reader sync.WaitGroup

	mu    sync.Mutex
	conns int // made so far
	ports int // where their ports begin
}

// New makes a device in netns and sets it up for both families, with networks
// that other peers on the machine do not have. It ends with the test, which
// fails if the kernel sent segments that do not parse. Where there is no TUN
// device, the test is skipped as kerneltest.RequireTun says.
func New(t testing.TB, netns *kerneltest.Netns) *Peer {
	t.Helper()
	kerneltest.RequireTun(t)
	p := &Peer{netns: netns, t: t, ipv4: randomIPv4(), ipv6: randomIPv6(), log: newLog(), ports: rand.N(manyPorts)}
	var err error
	netns.Do(func() { p.device, err = openDevice() })
	if err != nil {
		t.Fatalf("make peer: %v", err)
	}
	p.reader.Go(p.read)
	t.Cleanup(p.close)
	netns.Up(deviceName, p.ipv4.prefix.String(), p.ipv6.prefix.String())
	return p
}

// close ends the device and the reader.
func (p *Peer) close() {
	_ = p.device.Close() // it holds nothing that could fail to be written
	p.reader.Wait()
	if n := p.Stats().Malformed; n > 0 {
		p.t.Errorf("the kernel sent %d packets that do not parse", n)
	}
}

// read logs what the kernel sends until the device is closed.
func (p *Peer) read() {
	packet := make([]byte, maxPacket)
	for {
		n, err := p.device.Read(packet)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				p.t.Errorf("read device: %v", err)
			}
			return
		}
		if s, err := ParseSegment(packet[:n]); err != nil {
			p.log.refuse(err)
		} else {
			p.log.add(Entry{FromKernel: true, Segment: s})
		}
	}
}

// Send sends a segment to the kernel.
func (p *Peer) Send(s Segment) error {
	packet, err := s.Marshal()
	if err != nil {
		return fmt.Errorf("send segment: %w", err)
	}
	return p.write(packet, Entry{Segment: s})
}

// SendUnreachable tells the kernel that a segment of its own did not reach its
// destination.
func (p *Peer) SendUnreachable(u Unreachable, s Segment) error {
	packet, err := marshalUnreachable(u, s)
	if err != nil {
		return fmt.Errorf("send unreachable: %w", err)
	}
	return p.write(packet, Entry{Segment: s, Note: fmt.Sprintf("ICMP %s unreachable, quoting", u)})
}

// write logs the entry before the kernel gets the packet, so that the answer
// comes after it.
func (p *Peer) write(packet []byte, e Entry) error {
	p.log.add(e)
	if _, err := p.device.Write(packet); err != nil {
		return fmt.Errorf("write device: %w", err)
	}
	return nil
}

// Log returns the newest segments in both directions, at most 4096, in order.
func (p *Peer) Log() []Entry {
	entries, _ := p.log.all()
	return entries
}

// Stats returns the counts so far.
func (p *Peer) Stats() Stats {
	_, stats := p.log.all()
	return stats
}
