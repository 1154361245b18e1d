package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf/link"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/internal/snmp"
)

// batchSize is how many found sockets are handed over at a time.
const batchSize = 1024

// inventory walks the holders of every visible file descriptor and the TCP
// sockets of every reachable network namespace, and hands them to emit in
// batches that emit may keep. It returns the namespaces it walked, with their
// counters or nil, and what it could not look at.
func (p *Probe) inventory(ctx context.Context, emit func([]events.Event) error) (walked map[uint32]*events.Counters, losses []Loss, err error) {
	// The holders come first: they give listeners their owners, which children
	// born during the rest inherit.
	if err := p.walkHolders(ctx, emit); err != nil {
		return nil, nil, err
	}
	return p.walkAll(ctx, emit)
}

// walkHolders walks the file descriptors of all visible processes.
//
// An iterator of files may forget between two reads where it was, and pass some by
// (before 69ca310f3416, 5.11): a second walk meets them, as one does in walkSockets.
func (p *Probe) walkHolders(ctx context.Context, emit func([]events.Event) error) error {
	it := p.iters[bpf.TcpwatchProgHolders]
	if p.Features.Has(SockFromFile) { // which came with the same version
		return p.walk(ctx, it, emit)
	}
	type holder struct {
		sk  uint64
		pid uint32
		fd  int
	}
	once := onceOnly(emit, func(ev *events.Event) holder { return holder{ev.SK, ev.PID, ev.FD()} })
	err := p.walk(ctx, it, once)
	if err == nil {
		err = p.walk(ctx, it, once)
	}
	return err
}

// walkAll walks the TCP sockets of every reachable network namespace, as
// inventory does.
func (p *Probe) walkAll(ctx context.Context, emit func([]events.Event) error) (walked map[uint32]*events.Counters, losses []Loss, err error) {
	it := p.iters[bpf.TcpwatchProgInventory]
	caps, err := Effective()
	if err != nil {
		return nil, nil, err
	}
	if uint64(caps)&(1<<CapSysAdmin) == 0 {
		loss := Loss{
			"sockets of other network namespaces that no visible fd holds (TIME_WAIT, orphans, SYN_RECV)",
			"entering a network namespace needs CAP_SYS_ADMIN",
		}
		own, err := netns.Self()
		if err != nil {
			return nil, nil, err
		}
		more, err := p.walkNamespace(ctx, own, it, emit)
		return map[uint32]*events.Counters{own.Inum: readCounters(own.Inum, &more)}, append(more, loss), err
	}
	namespaces, unreadable, err := netns.List()
	if err != nil {
		return nil, nil, err
	}
	if unreadable > 0 {
		losses = append(losses, Loss{
			fmt.Sprintf("network namespaces of %d processes", unreadable),
			"reading /proc/PID/ns/net needs CAP_SYS_PTRACE",
		})
	}
	walked, more, err := p.walkEach(ctx, namespaces, it, emit)
	return walked, append(losses, more...), err
}

// walksAtOnce is how many network namespaces are walked at a time: each walk goes
// through the sockets of all.
const walksAtOnce = 2

// walkEach walks the TCP sockets of namespaces.
func (p *Probe) walkEach(ctx context.Context, namespaces []netns.Namespace, it *link.Iter, emit func([]events.Event) error) (map[uint32]*events.Counters, []Loss, error) {
	var (
		mu     sync.Mutex // guards emit, walked, losses and failed
		walked = map[uint32]*events.Counters{}
		losses []Loss
		failed error
		next   atomic.Int32
		work   sync.WaitGroup
	)
	inTurn := func(batch []events.Event) error {
		mu.Lock()
		defer mu.Unlock()
		return emit(batch)
	}
	walk := func(ns netns.Namespace) (err error) {
		var counters *events.Counters
		var more []Loss
		err = ns.In(func() (err error) {
			more, err = p.walkNamespace(ctx, ns, it, inTurn)
			counters = readCounters(ns.Inum, &more)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		losses = append(losses, more...)
		switch {
		case errors.Is(err, os.ErrNotExist): // its last process ended since the list was made
		case errors.Is(err, os.ErrPermission):
			losses = append(losses, Loss{fmt.Sprintf("sockets of network namespace %d", ns.Inum), err.Error()})
		case err != nil:
			failed = cmp.Or(failed, err)
			return err
		default:
			walked[ns.Inum] = counters
		}
		return nil
	}
	for range walksAtOnce {
		work.Go(func() {
			for i := next.Add(1); int(i) <= len(namespaces); i = next.Add(1) {
				if walk(namespaces[i-1]) != nil {
					return
				}
			}
		})
	}
	work.Wait()
	return walked, losses, failed
}

// walkNamespace walks the TCP sockets of the calling thread's network namespace,
// which is ns, and says so.
func (p *Probe) walkNamespace(ctx context.Context, ns netns.Namespace, it *link.Iter, emit func([]events.Event) error) (losses []Loss, err error) {
	done := events.Event{Kind: events.Walked, Time: now(), Netns: ns.Inum, NetnsCookie: netns.Cookie(), InState: -1}
	if some, err := snmp.AnySocket(); err == nil && !some {
		return nil, emit([]events.Event{done})
	}
	if losses, err = p.walkSockets(ctx, it, emit); err != nil {
		return losses, err
	}
	return losses, emit([]events.Event{done})
}

// readCounters reads those of the calling thread's network namespace.
func readCounters(inum uint32, losses *[]Loss) *events.Counters {
	c, err := snmp.Read()
	if err != nil {
		*losses = append(*losses, Loss{fmt.Sprintf("counters of network namespace %d", inum), err.Error()})
		return nil
	}
	return &c
}

// walkSockets walks the TCP sockets of the calling thread's network namespace.
//
// An iterator without batches forgets between two reads where in a bucket it
// was (kernel before 5.15): a socket that moves then can be passed by, and
// another be met twice. A second walk meets what the first passed by.
func (p *Probe) walkSockets(ctx context.Context, it *link.Iter, emit func([]events.Event) error) (losses []Loss, err error) {
	if !p.Features.Has(CookieHelper) {
		if err := giveCookies(); err != nil {
			losses = append(losses, Loss{"cookies of the sockets that are there", err.Error()})
		}
	}
	if p.Features.Has(BatchedIter) {
		return losses, p.walk(ctx, it, emit)
	}
	type socket struct {
		sk           uint64
		lport, rport uint16
	}
	once := onceOnly(emit, func(ev *events.Event) socket { return socket{ev.SK, ev.Lport, ev.Rport} })
	err = p.walk(ctx, it, once)
	if err == nil {
		err = p.walk(ctx, it, once)
	}
	return losses, err
}

// onceOnly passes on the rows whose keys it has not met before.
func onceOnly[K comparable](emit func([]events.Event) error, keyOf func(*events.Event) K) func([]events.Event) error {
	met := map[K]bool{}
	return func(batch []events.Event) error {
		batch = slices.DeleteFunc(batch, func(ev events.Event) bool {
			key := keyOf(&ev)
			again := met[key]
			met[key] = true
			return again
		})
		if len(batch) == 0 {
			return nil
		}
		return emit(batch)
	}
}

// walk reads one iterator from beginning to end, in the calling thread's
// network namespace.
func (p *Probe) walk(ctx context.Context, it *link.Iter, emit func([]events.Event) error) error {
	if it == nil {
		return nil
	}
	r, err := it.Open()
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	defer r.Close()
	// The kernel hands over what fits in its own 32 KiB buffer.
	buf := make([]byte, 0, 64<<10)
	batch := p.spares.take()
	for ctx.Err() == nil {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for len(rest) >= events.Size {
			var ev events.Event
			if err := events.Decode(rest, &ev); err != nil {
				return fmt.Errorf("read iterator: %w", err)
			}
			rest = rest[events.Size:]
			if batch = append(batch, ev); len(batch) == batchSize {
				if err := emit(batch); err != nil {
					return err
				}
				batch = p.spares.take()
			}
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read iterator: %w", err)
		}
	}
	if len(batch) > 0 {
		return emit(batch)
	}
	return ctx.Err()
}
