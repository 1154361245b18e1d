package demo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// stage is where scenarios are played: one loopback address with a listener.
type stage struct {
	options  Options
	scenario string // the one that runs
	loopback netip.Addr
	listener *net.TCPListener
	held     held
}

// openStages returns a stage for IPv4 and, if wanted and possible, for IPv6.
func openStages(ctx context.Context, o Options) ([]*stage, error) {
	v4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	l, err := listen(ctx, v4, nil)
	if err != nil {
		return nil, err
	}
	stages := []*stage{{options: o, loopback: v4, listener: l}}
	if o.IPv6 {
		v6 := netip.IPv6Loopback()
		if l, err := listen(ctx, v6, nil); err == nil { // a machine without IPv6 is no error
			stages = append(stages, &stage{options: o, loopback: v6, listener: l})
		}
	}
	return stages, nil
}

func closeStages(stages []*stage) {
	for _, s := range stages {
		s.held.close()
		_ = s.listener.Close() // nothing is lost if it fails
	}
}

// listen returns a TCP listener on a free port; prepare, if not nil, may set
// options on the socket before.
func listen(ctx context.Context, a netip.Addr, prepare control) (*net.TCPListener, error) {
	lc := net.ListenConfig{Control: prepare}
	lc.SetMultipathTCP(false) // Go's default would show sockets of another protocol
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return nil, err // it says listen, and where
	}
	return l.(*net.TCPListener), nil
}

// patience bounds every wait for the other end. Over loopback an answer takes
// microseconds; this much only a machine in trouble takes.
const patience = 10 * time.Second

// connect returns both ends of a new connection, after a pause in which the
// connection can be seen.
func (s *stage) connect(ctx context.Context) (*ends, error) {
	e, err := s.connectTo(ctx, s.listener, nil)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, s.options.Pause); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// connectTo returns both ends of a new connection to l.
func (s *stage) connectTo(ctx context.Context, l *net.TCPListener, prepare control) (*ends, error) {
	d := net.Dialer{Timeout: patience, Control: prepare}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	e := &ends{client: c.(*net.TCPConn)}
	if e.server, err = acceptFrom(l, c.LocalAddr().String()); err != nil {
		e.close()
		return nil, err
	}
	s.log(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()))
	return e, e.limit()
}

// maxStrangers bounds how many connections of others are turned away in the
// place of the one expected.
const maxStrangers = 16

// acceptFrom accepts the connection from an address. Anybody on this machine
// may connect to the port.
func acceptFrom(l *net.TCPListener, from string) (*net.TCPConn, error) {
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for range maxStrangers {
		c, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if c.RemoteAddr().String() == from {
			return c, nil
		}
		_ = c.Close() // not ours
	}
	return nil, fmt.Errorf("accept: %d connections from elsewhere", maxStrangers)
}

func (s *stage) log(laddr, raddr netip.AddrPort) {
	if s.options.Log != nil {
		s.options.Log(s.scenario, laddr, raddr)
	}
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }
