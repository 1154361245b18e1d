package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
)

// The reader polls while events come and sleeps when they stop. pollInterval
// bounds the latency under load, quietPolls how long it waits before sleeping;
// together they bound how long a closed socket waits for late evidence.
const (
	pollInterval = 5 * time.Millisecond
	busyInterval = 15 * time.Millisecond // while busyRecords or more come in a pass
	busyRecords  = 256
	quietPolls   = 4
	askAllEvery  = 200 // passes: about a second under load
	batchesAPass = 4   // of the inventory, between two looks at the ring
)

// recordSize is what one record takes in the ring: a header of 8 bytes, and the
// record rounded up to 8 (kernel/bpf/ringbuf.c).
func recordSize(o *Options) int {
	if o.Lives {
		return 8 + (events.LifeSize+7)/8*8
	}
	return 8 + (events.Size+7)/8*8
}

// Live is the Source of what happens, beginning with the sockets that are
// there. One goroutine calls Next; Wake and Stop may be called from any.
//
// Between events it yields Tick, when all that happened before its time has
// been delivered, and Lost, before the first event that could show the hole.
type Live struct {
	probe  *Probe
	reader *ringbuf.Reader
	armed  *ebpf.Variable
	record ringbuf.Record
	size   int // of a record, in the ring
	life   events.History

	found   inventoryQueue
	looking bool // an inventory is under way
	looks   looks
	batch   []events.Event // what is left of whole
	whole   []events.Event
	turns   int // batches that may still be taken before the next pass

	queue     []events.Event // made here: Tick, Lost, Found; delivered up to head
	head      int
	left      int    // records of this pass still to read
	gathered  int    // records of this pass
	passTime  uint64 // when the pass began: all before it are in this pass
	ring      uint64 // lost and reported
	nested    uint64
	quiet     int
	passes    uint64
	pause     bool // the ring was nearly empty: wait before the next pass
	delivered atomic.Uint64
	stopping  atomic.Bool
	drained   bool
	losses    []Loss
	graces    chan struct{} // asks for a grace period after arming
	closing   chan struct{}
	graced    chan struct{} // closed once grace has ended
	reading   sync.Mutex    // held while Next looks at the ring other than by reading a record
	closed    bool          // guarded by reading
}

var _ events.Source = (*Live)(nil)

// past is the reader's deadline while it polls. Without one it would wait for
// a wake-up even with records in the ring: epoll knows of data only by wake-ups,
// and the programs submit without.
var past = time.Unix(1, 0)

// Live starts delivering. Call it once; the Probe must outlive the Source.
func (p *Probe) Live(ctx context.Context) (*Live, error) {
	reader, err := ringbuf.NewReader(p.coll.Maps[bpf.TcpwatchMapRing])
	if err != nil {
		return nil, fmt.Errorf("map ring buffer: %w", err)
	}
	l := &Live{probe: p, reader: reader, armed: p.coll.Variables[bpf.TcpwatchVarArmed], size: recordSize(&p.options)}
	l.graces, l.closing, l.graced = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	reader.SetDeadline(past)
	go l.grace()
	l.looks.ctx = ctx
	l.tellTimers()
	if !p.options.NoInventory {
		l.look()
	} else {
		l.queue = append(l.queue, events.Event{Kind: events.Found, Time: now(), InState: -1})
	}
	return l, nil
}

// now returns the time since boot in ns, on the clock of the events.
func now() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return uint64(ts.Nano())
}

// Next implements events.Source. It blocks while nothing happens.
func (l *Live) Next(ev *events.Event) error {
	for {
		switch {
		case l.head < len(l.queue):
			*ev = l.queue[l.head]
			l.head++
			return nil
		case l.left > 0:
			l.left--
			return l.read(ev)
		case len(l.batch) > 0:
			*ev = l.batch[0]
			if l.batch = l.batch[1:]; len(l.batch) == 0 {
				l.probe.spares.give(l.whole)
				l.whole = nil
			}
			return nil
		case l.turns > 0 && l.looking:
			if !l.takeTurn() {
				return io.EOF
			}
			continue
		case l.drained:
			return io.EOF
		}
		if err := l.pass(); err != nil {
			return err
		}
	}
}

// read takes the next record, which is known to be there.
func (l *Live) read(ev *events.Event) error {
	err := l.reader.ReadInto(&l.record)
	for errors.Is(err, ringbuf.ErrFlushed) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = l.reader.ReadInto(&l.record) // the record is still there
	}
	if errors.Is(err, os.ErrClosed) {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("read ring buffer: %w", err)
	}
	l.delivered.Add(1)
	return l.decode(ev)
}

func (l *Live) decode(ev *events.Event) error {
	if !l.probe.options.Lives {
		return events.Decode(l.record.RawSample, ev)
	}
	err := events.DecodeLife(l.record.RawSample, &l.life)
	*ev = l.life.End
	return err
}

// Life returns the history that the newest event of kind LifeEnd is about, until the next
// one is delivered.
func (l *Live) Life() *events.History { return &l.life }

// pass decides what to do when all that was known to be there is delivered.
//
// The time is taken before the fill level: a program reserves its record
// before it takes the event's time, so whatever happened before passTime is
// within this pass. The losses are read after the fill level and reported
// before the records: a hole before one of them is already counted.
func (l *Live) pass() error {
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.closed {
		return io.EOF
	}
	stopping := l.stopping.Load()
	l.queue, l.head = l.queue[:0], 0
	if l.passTime != 0 {
		l.tick(l.passTime)
	}
	if stopping {
		l.probe.detach()
	} else if l.pause {
		time.Sleep(l.pauses())
	}
	l.pause = false
	l.passTime = now()
	l.left = l.reader.AvailableBytes() / l.size
	l.gathered = l.left
	if err := l.countLost(); err != nil {
		return err
	}
	l.lookIfDue()
	l.takeInventory()
	l.turns = batchesAPass - 1
	switch {
	case l.left > 0:
		l.quiet = 0
		// Let a batch gather, or a busy host would be polled without pause.
		l.pause = l.left < l.probe.options.RingSize/l.size/4
		return nil
	case len(l.batch) > 0:
		return nil
	case stopping:
		l.drained = true
		return nil
	case l.looking || l.quiet < quietPolls:
		l.quiet++
		time.Sleep(pollInterval)
		return nil
	default:
		return l.sleep()
	}
}

// pauses returns how long to let records gather: each pass costs as much as some
// hundred records.
func (l *Live) pauses() time.Duration {
	if l.gathered >= busyRecords {
		return busyInterval
	}
	return pollInterval
}

// sleep blocks until a program wakes the reader, or Wake or Stop does.
//
// Arming races with a program that has looked at armed already and is about to
// submit without waking: grace looks after that one.
func (l *Live) sleep() error {
	if err := l.armed.Set(uint32(1)); err != nil {
		return fmt.Errorf("arm wake-up: %w", err)
	}
	if l.reader.AvailableBytes() > 0 || l.stopping.Load() || l.isClosing() || l.lookDue() {
		return l.disarm()
	}
	defer l.wakeToLook().Stop()
	select {
	case l.graces <- struct{}{}:
	default: // one is asked for already, and has not begun
	}
	l.passTime = now()
	l.reader.SetDeadline(time.Time{})
	err := l.reader.ReadInto(&l.record)
	for errors.Is(err, os.ErrDeadlineExceeded) { // left over from polling
		err = l.reader.ReadInto(&l.record)
	}
	l.reader.SetDeadline(past)
	l.quiet = 0
	switch {
	case err == nil:
		// The record that woke us is in hand: deliver it ahead of the next pass.
		if err := l.countLost(); err != nil {
			return err
		}
		l.delivered.Add(1)
		var ev events.Event
		if err := l.decode(&ev); err != nil {
			return err
		}
		l.queue = append(l.queue, ev)
		l.passTime = 0
		return nil
	case errors.Is(err, ringbuf.ErrFlushed):
		l.passTime = l.upTo()
		return l.disarm()
	case errors.Is(err, os.ErrClosed):
		return io.EOF
	default:
		return fmt.Errorf("wait for ring buffer: %w", err)
	}
}

// upTo returns the time before which everything has been delivered if the ring
// is empty now, else 0.
func (l *Live) upTo() uint64 {
	t := now()
	if l.reader.AvailableBytes() > 0 {
		return 0
	}
	return t
}

func (l *Live) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// grace wakes the reader for a record that a program submitted without seeing
// that the reader was about to sleep. Programs run inside RCU read sections,
// and membarrier waits for all of those that have begun: what is in the ring
// after it may have come unannounced, and whatever comes later is announced.
// It runs beside the reader, because a grace period has no upper bound.
func (l *Live) grace() {
	defer close(l.graced)
	for {
		select {
		case <-l.graces:
		case <-l.closing:
			return
		}
		const membarrierCmdGlobal = 1
		if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierCmdGlobal, 0, 0); errno != 0 {
			time.Sleep(10 * pollInterval) // not with nohz_full: longer than any program runs
		}
		if l.reader.AvailableBytes() > 0 {
			l.Wake()
		}
	}
}

func (l *Live) disarm() error {
	if err := l.armed.Set(uint32(0)); err != nil {
		return fmt.Errorf("disarm wake-up: %w", err)
	}
	return nil
}

func (l *Live) tick(time uint64) {
	l.queue = append(l.queue, events.Event{Kind: events.Tick, Time: time, InState: -1})
}

// countLost queues a Lost event for each place that has lost more since the
// last pass.
func (l *Live) countLost() error {
	// All programs are asked when it is quiet, at the end, and once in a while.
	l.passes++
	all := l.left == 0 && l.quiet == 0 || l.stopping.Load() || l.passes%askAllEvery == 0
	ring, nested, err := l.probe.missing(all)
	if err != nil {
		return err
	}
	l.lose(events.WhereRing, &l.ring, ring)
	l.lose(events.WhereNested, &l.nested, nested)
	return nil
}

func (l *Live) lose(where events.Where, reported *uint64, total uint64) {
	if total <= *reported {
		return
	}
	l.queue = append(l.queue, events.Event{
		Kind: events.Lost, Time: l.passTime, Where: where, LostCount: total - *reported, InState: -1,
	})
	*reported = total
}

// takeTurn takes a batch between two passes, or reports that the Source is closed.
func (l *Live) takeTurn() bool {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.turns--
	if !l.closed {
		l.takeInventory()
	}
	return !l.closed
}

// takeInventory takes a batch of found sockets if one is ready, and notes the
// end of the inventory.
func (l *Live) takeInventory() {
	if !l.looking {
		return
	}
	select {
	case batch, ok := <-l.found.batches:
		if ok {
			l.batch, l.whole = batch, batch
			return
		}
	default:
		return
	}
	l.quiet = 0 // or the reader could sleep on what is queued here
	l.lookedAround()
}

// Wake makes a blocked Next deliver a Tick soon.
func (l *Live) Wake() { _ = l.reader.Flush() }

// Stop detaches the programs. Next delivers what is left, the last losses, and
// then io.EOF.
func (l *Live) Stop() {
	l.stopping.Store(true)
	l.Wake()
}

// Delivered returns how many records were read from the ring.
func (l *Live) Delivered() uint64 { return l.delivered.Load() }

// Losses returns what the inventory could not look at, once Next has returned
// Found.
func (l *Live) Losses() []Loss { return l.losses }

// Close implements events.Source. Call it once.
func (l *Live) Close() error {
	close(l.closing)
	<-l.graced
	l.Wake()
	l.reading.Lock()
	defer l.reading.Unlock()
	l.closed = true
	if l.looking {
		l.found.stop()
	}
	return l.reader.Close()
}
