package mill

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
)

// crowd is how many connections a worker has under way at most.
const crowd = 60

// worker is one thread of the mill. It has many connections under way, each
// somewhere in its script, and takes one step of any of them at a time.
type worker struct {
	g     *grinder
	index int
	room  int // where it lives, and its clients are
	rand  *rand.Rand

	listeners []listener
	conns     []*conn
	unmet     *conn // connected, and not accepted yet
	kinds     map[string]int
	made      int
}

// listener is where a worker's clients connect to.
type listener struct {
	end
	on   netip.Addr
	port uint16
}

// conn is a connection under way.
type conn struct {
	kind           *kind
	step           int
	rest           int // steps to let pass before the next one
	client, server end
	listener       *listener
	extra          *end // the listener of its own
}

func newWorker(g *grinder, index int, r *rand.Rand) *worker {
	return &worker{g: g, index: index, room: index % 2, rand: r, kinds: map[string]int{}}
}

// run works when resumed, and stands still when enough connections were made.
func (w *worker) run(resume <-chan struct{}) {
	onThread(func() {
		err := w.open()
		w.g.parked <- err
		for range resume {
			if w.g.ending.Load() {
				w.g.parked <- w.close()
				return
			}
			if err == nil {
				err = w.work()
			}
			w.g.parked <- err
		}
	})
}

// open makes the listeners: in its own namespace and in the other.
func (w *worker) open() error {
	for _, room := range []int{1 - w.room, w.room} {
		err := inRoom(room, func() error {
			for _, on := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
				fd, port, err := listen(on)
				if err != nil {
					return err
				}
				e := newEnd(room, fd, "LISTEN")
				w.listeners = append(w.listeners, listener{e, on, port})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// work makes connections until there are enough, and some steps more: every
// stop is in the middle of something.
func (w *worker) work() error {
	for more := w.rand.IntN(2 * crowd); more > 0; {
		if w.g.made.Load() >= w.g.target.Load() {
			more--
		}
		if err := w.turn(); err != nil {
			return err
		}
	}
	return nil
}

// turn takes one step of one connection, a new one if there is room.
func (w *worker) turn() error {
	c := w.unmet
	switch i := w.rand.IntN(crowd); {
	case c != nil && w.rand.IntN(2) == 0: // else it waits in the accept queue
	case i < len(w.conns):
		c = w.conns[i]
	case w.unmet != nil || w.g.made.Load() >= w.g.target.Load():
		return nil
	default:
		c = w.begin()
	}
	if c.rest > 0 {
		c.rest--
		return nil
	}
	step := c.kind.steps[c.step]
	c.step++
	if err := step(w, c); err != nil {
		return fmt.Errorf("%s, step %d: %w", c.kind.name, c.step, err)
	}
	if c.step == len(c.kind.steps) {
		w.forget(c)
	}
	return nil
}

// begin chooses what to do next.
func (w *worker) begin() *conn {
	c := &conn{kind: choose(w.rand), client: newEnd(w.room, -1), server: newEnd(w.room, -1)}
	w.conns = append(w.conns, c)
	w.kinds[c.kind.name]++
	w.made++
	w.g.made.Add(1)
	return c
}

func (w *worker) forget(c *conn) {
	for i := range w.conns {
		if w.conns[i] == c {
			w.conns[i] = w.conns[len(w.conns)-1]
			w.conns = w.conns[:len(w.conns)-1]
			return
		}
	}
}

// addresses by which each namespace is reached from the other (kerneltest.Veth).
var addresses = [2]struct{ v4, v6 netip.Addr }{
	{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd99::1")},
	{netip.MustParseAddr("10.99.0.2"), netip.MustParseAddr("fd99::2")},
}

// target is where the next connection to a listener goes. A listener of IPv6
// takes IPv4 too.
func (w *worker) target(l *listener) netip.AddrPort {
	v4 := l.on.Is4() || w.rand.IntN(4) == 0
	a := addresses[l.room]
	to := a.v6
	switch {
	case l.room != w.room:
		if v4 {
			to = a.v4
		}
	case v4: // few connections to one address leave the kernel many ports to choose from
		hop := w.made / 1000
		to = netip.AddrFrom4([4]byte{127, byte(1 + w.index), byte(hop >> 8), byte(1 + hop&0x7f)})
	default:
		to = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(to, l.port)
}

// describe appends what the worker has.
func (w *worker) describe(all []Socket) []Socket {
	self := os.Getpid()
	add := func(kind string, e *end) {
		if !e.exists() || e.cookie == 0 {
			return
		}
		all = append(all, Socket{
			Kind: kind, Netns: w.g.inums[e.room], Cookie: e.cookie, States: e.states,
			Holders: e.holders(self, w.g.keeper.pid()), Connected: e.connected,
		})
	}
	for i := range w.listeners {
		add("listener", &w.listeners[i].end)
	}
	for _, c := range w.conns {
		add(c.kind.name, &c.client)
		add(c.kind.name, &c.server)
		if c.extra != nil {
			add(c.kind.name, c.extra)
		}
	}
	return all
}

// close closes everything.
func (w *worker) close() error {
	for _, c := range w.conns {
		for _, e := range []*end{&c.client, &c.server, c.extra} {
			if e == nil {
				continue
			}
			if err := w.letGo(e); err != nil {
				return err
			}
		}
	}
	for i := range w.listeners {
		if err := w.listeners[i].close(); err != nil {
			return err
		}
	}
	return nil
}

// letGo closes an end, whoever holds it.
func (w *worker) letGo(e *end) error {
	if e.theirs >= 0 {
		fd := e.theirs
		e.theirs = -1
		if err := w.g.keeper.drop(fd); err != nil {
			return err
		}
	}
	if err := e.sink(); err != nil {
		return err
	}
	if e.child != nil {
		c := *e.child
		e.child = nil
		if err := c.end(); err != nil {
			return err
		}
	}
	return e.close()
}
