package probe

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/model"
)

// census takes an inventory, and finds out of each socket that seems to be held
// by no fd whether that is so.
//
// The fds are walked before the sockets: one opened in between has a row and no
// holder. So the fds are walked again, and then, as a socket may have been closed
// in between, the sockets. One that has no holder even so was there during the
// whole second walk, and for closing after it. It is in flight over SCM_RIGHTS, or
// the kernel holds its file (io_uring, NBD, vhost), or close() lingers on it.
func (p *Probe) census(ctx context.Context, emit func([]events.Event) error) (walked map[uint32]*events.Counters, losses []Loss, err error) {
	c := census{held: map[uint64]bool{}, lacking: map[uint64][]events.Event{}}
	walked, losses, err = p.inventory(ctx, func(batch []events.Event) error {
		c.look(batch)
		return emit(batch)
	})
	if err != nil || len(c.lacking) == 0 {
		return walked, losses, err
	}
	err = p.walk(ctx, p.iters[bpf.TcpwatchProgHolders], func(batch []events.Event) error {
		return emitSome(c.lookAgain(batch), emit)
	})
	maps.DeleteFunc(c.lacking, func(file uint64, _ []events.Event) bool { return c.held[file] })
	if err != nil || len(c.lacking) == 0 {
		return walked, losses, err
	}
	if all, err := seesAllProcesses(); err != nil || !all {
		return walked, losses, err
	}
	select {
	case <-time.After(closing):
	case <-ctx.Done():
		return walked, losses, ctx.Err()
	}
	_, _, err = p.walkAll(ctx, func(batch []events.Event) error {
		return emitSome(c.unheld(batch), emit)
	})
	return walked, losses, err
}

// closing is how long the end of a socket may take from the moment at which its
// last fd is gone; a listener first ends what waits in its queues.
const closing = 100 * time.Millisecond

// seesAllProcesses reports whether no process can hide from the walk of fds. In a
// pid namespace other than the first, the kernel shows the fds of its processes
// only. And what keeps a process's /proc entries from this one may keep its fds:
// some sandboxes do that to process 1.
func seesAllProcesses() (bool, error) {
	if _, inside, err := pidNamespace(); err != nil || inside != 0 {
		return false, err
	}
	_, unreadable, err := netns.List()
	return unreadable == 0, err
}

// census is what is known of who holds what, by the address of what a file
// refers to.
type census struct {
	held    map[uint64]bool
	lacking map[uint64][]events.Event // rows of sockets that no holder was seen of
}

// fileOf returns the address of what a file must refer to if the row's socket has
// one, or 0 if none must or if that address is not known.
func fileOf(row *events.Event) uint64 {
	switch {
	case !row.Has(model.HasSocket) || row.Flags&(model.Dead|model.Kernel) != 0 || row.To == model.Close:
		return 0
	case row.Has(model.MPTCP):
		return row.Above()
	}
	return row.SK
}

// look notes holders, and rows without.
func (c *census) look(batch []events.Event) {
	for i := range batch {
		ev := &batch[i]
		if ev.Kind == events.Holder {
			c.held[ev.SK] = true
		} else if file := fileOf(ev); file != 0 && !c.held[file] {
			c.lacking[file] = append(c.lacking[file], *ev)
		}
	}
}

// lookAgain notes the holders of sockets that lack one, and returns them.
func (c *census) lookAgain(batch []events.Event) []events.Event {
	return slices.DeleteFunc(batch, func(ev events.Event) bool {
		_, needed := c.lacking[ev.SK]
		if needed {
			c.held[ev.SK] = true
		}
		return !needed
	})
}

// unheld returns the rows of sockets that lacked a holder before, and still do.
func (c *census) unheld(batch []events.Event) (rows []events.Event) {
	for i := range batch {
		row := &batch[i]
		for _, before := range c.lacking[fileOf(row)] {
			if before.SK == row.SK && before.Cookie == row.Cookie {
				rows = append(rows, *row)
				rows[len(rows)-1].Kind = events.Unheld
			}
		}
	}
	return rows
}

func emitSome(batch []events.Event, emit func([]events.Event) error) error {
	if len(batch) == 0 {
		return nil
	}
	return emit(batch)
}
