package mill

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"
)

// kind is a script for connections.
type kind struct {
	name   string
	weight int // how often it is chosen
	steps  []step
}

// step is one thing done to a connection, about one system call.
type step func(*worker, *conn) error

// kinds are all scripts. What an end may be in after a step names the states
// that it passes through while packets are on their way, too.
var kinds = []kind{
	{"client first", 30, []step{dial, meet, shut(client), readEnd(server), shutOff(server), readEnd(client), shutOff(client)}},
	{"server first", 15, []step{dial, meet, shut(server), readEnd(client), shutOff(client), readEnd(server), shutOff(server)}},
	{"reset", 12, []step{dial, meet, reset(client), readReset(server), shutOff(server)}},
	{"unread", 6, []step{dial, meet, send(client), closeUnread(server), readReset(client), shutOff(client)}},
	{"half-closed", 10, []step{dial, meet, shut(client), readEnd(server), stay, send(server), stay, shutOff(server), stay, shutOff(client)}},
	{"abandoned", 10, []step{dial, meet, shutOff(client), readEnd(server), stay, stay, shutOff(server)}},
	{"held after reset", 8, []step{dial, meet, reset(server), stay, readReset(client), stay, stay, shutOff(client)}},
	{"finished and held", 8, []step{dial, meet, shut(client), readEnd(server), shut(server), readEnd(client), stay, shutOff(server), stay, shutOff(client)}},
	{"inherited", 1, []step{dial, meet, inherit(server), stay, shutOff(server), shut(client), stay, shutOff(client), stay, outlive(server)}},
	{"inherited and reset", 1, []step{dial, meet, inherit(client), reset(server), stay, shutOff(client), stay, outlive(client)}},
	{"passed", 3, []step{dial, meet, pass(client), stay, shutOff(client), stay, shutOff(server), stay, takeBack(client)}},
	{"passed and reset", 3, []step{dial, meet, pass(server), shutOff(server), reset(client), stay, stay, takeBack(server)}},
	{"in flight", 3, []step{dial, meet, launch(server), stay, shut(client), stay, sink(server), shutOff(client)}},
	{"in flight and reset", 2, []step{dial, meet, launch(client), reset(server), stay, stay, sink(client)}},
	{"never accepted", 4, []step{dialOwn, stay, dropListener, stay, shutOff(client)}},
	{"refused", 4, []step{refuse, stay, shutOff(client)}},
}

func choose(r *rand.Rand) *kind {
	total := 0
	for i := range kinds {
		total += kinds[i].weight
	}
	n := r.IntN(total)
	for i := range kinds {
		if n -= kinds[i].weight; n < 0 {
			return &kinds[i]
		}
	}
	return nil // not reached
}

// side chooses one end of a connection.
type side bool

const (
	client side = false
	server side = true
)

// of returns the end, and the other one.
func (s side) of(c *conn) (mine, other *end) {
	if s == client {
		return &c.client, &c.server
	}
	return &c.server, &c.client
}

// dial connects to one of the worker's listeners.
func dial(w *worker, c *conn) error {
	c.listener = &w.listeners[w.rand.IntN(len(w.listeners))]
	fd, err := connect(w.target(c.listener))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.client = newEnd(w.room, fd, "ESTABLISHED")
	w.unmet = c
	return nil
}

func meet(w *worker, c *conn) error {
	fd, err := accept(c.listener.fd)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	c.server = newEnd(c.listener.room, fd, "ESTABLISHED")
	w.unmet = nil
	return nil
}

// stay lets some turns pass.
func stay(w *worker, c *conn) error {
	c.rest = w.rand.IntN(5)
	return nil
}

// sendsFIN notes what an end may be in, and its peer, when the end has sent its
// FIN.
func sendsFIN(mine, other *end) {
	switch {
	case mine.may("CLOSE") || mine.may("FIN_WAIT2"): // it has before
	case mine.may("CLOSE_WAIT"): // the peer's FIN came before
		mine.is("CLOSE_WAIT", "LAST_ACK", "CLOSE")
		other.is("FIN_WAIT1", "FIN_WAIT2", "CLOSE")
	default:
		mine.is("FIN_WAIT1", "FIN_WAIT2")
		other.is("ESTABLISHED", "CLOSE_WAIT")
	}
}

// shut sends a FIN and keeps the descriptor.
func shut(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		sendsFIN(mine, other)
		return unix.Shutdown(mine.fd, unix.SHUT_WR)
	}
}

// shutOff closes this process's descriptor. If it was the only one, that sends a
// FIN.
func shutOff(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		err := mine.close()
		if !mine.exists() {
			sendsFIN(mine, other)
		}
		return err
	}
}

// readEnd waits for the peer's FIN.
func readEnd(s side) step {
	return func(_ *worker, c *conn) error {
		mine, _ := s.of(c)
		err := mine.readEnd()
		if mine.may("FIN_WAIT2") {
			mine.is("CLOSE") // with a mini-socket in TIME_WAIT beside it
		} else {
			mine.is("CLOSE_WAIT")
		}
		return err
	}
}

func send(s side) step {
	return func(_ *worker, c *conn) error {
		mine, _ := s.of(c)
		_, err := retry(func() (int, error) { return unix.Write(mine.fd, []byte{1}) })
		return err
	}
}

// getsRST notes what an end may be in when an RST was sent to it.
func getsRST(e *end) { e.is(append([]string{"CLOSE"}, e.states...)...) }

// reset sends an RST in place of a FIN.
func reset(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		getsRST(other)
		return mine.reset()
	}
}

// closeUnread closes an end that has something to read, which sends an RST.
func closeUnread(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		poll := []unix.PollFd{{Fd: int32(mine.fd), Events: unix.POLLIN}}
		_, err := retry(func() (int, error) { return unix.Poll(poll, int(patience.Milliseconds())) })
		getsRST(other)
		return errors.Join(err, mine.close())
	}
}

// readReset waits for the RST.
func readReset(s side) step {
	return func(_ *worker, c *conn) error {
		mine, _ := s.of(c)
		if err := mine.readEnd(); err != unix.ECONNRESET {
			return fmt.Errorf("read in place of a reset: %w", err)
		}
		mine.is("CLOSE")
		return nil
	}
}

// inherit starts a process that has the socket too.
func inherit(s side) step {
	return func(_ *worker, c *conn) error {
		mine, _ := s.of(c)
		born, err := bear(mine.fd)
		if err == nil {
			mine.child = &born
		}
		return err
	}
}

// outlive ends that process.
func outlive(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		err := mine.child.end()
		mine.child = nil
		sendsFIN(mine, other)
		return err
	}
}

// pass hands the socket to the keeper, too.
func pass(s side) step {
	return func(w *worker, c *conn) (err error) {
		mine, _ := s.of(c)
		mine.theirs, err = w.g.keeper.take(mine.fd)
		return err
	}
}

// takeBack makes the keeper close it.
func takeBack(s side) step {
	return func(w *worker, c *conn) error {
		mine, other := s.of(c)
		fd := mine.theirs
		mine.theirs = -1
		sendsFIN(mine, other)
		return w.g.keeper.drop(fd)
	}
}

// launch leaves the socket in a message that nobody receives.
func launch(s side) step {
	return func(_ *worker, c *conn) error {
		mine, _ := s.of(c)
		return mine.launch()
	}
}

// sink drops the message.
func sink(s side) step {
	return func(_ *worker, c *conn) error {
		mine, other := s.of(c)
		sendsFIN(mine, other)
		return mine.sink()
	}
}

// dialOwn connects to a listener that accepts nothing.
func dialOwn(w *worker, c *conn) error {
	l, port, err := listen(netip.IPv4Unspecified())
	if err != nil {
		return err
	}
	e := newEnd(w.room, l, "LISTEN")
	c.extra = &e
	fd, err := connect(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.client = newEnd(w.room, fd, "ESTABLISHED")
	return nil
}

// dropListener closes that listener: what waits to be accepted is reset.
func dropListener(_ *worker, c *conn) error {
	getsRST(&c.client)
	return c.extra.close()
}

// refuse connects to where nobody listens.
func refuse(w *worker, c *conn) error {
	const nobody = 1 // port
	fd, err := connect(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), nobody))
	if err != unix.ECONNREFUSED {
		return fmt.Errorf("connect to nobody: %w", err)
	}
	c.client = newEnd(w.room, fd, "CLOSE")
	c.client.connected = false
	return nil
}
