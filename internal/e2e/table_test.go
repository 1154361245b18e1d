package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/watch"
	"github.com/tcpwatch/tcpwatch/model"
)

// liveTable is a table of this process that follows the kernel.
type liveTable struct {
	t     *testing.T
	probe *probe.Probe
	live  *probe.Live
	watch *watch.Watch
	gate  *gate
	told  *told
}

// gate is a Source that the test can hold up: the reader stands still then, and
// the ring fills.
type gate struct {
	*probe.Live
	held  sync.Mutex    // by the test, as long as it likes
	asked int           // how often for an event, guarded by held
	found chan struct{} // closed when the first inventory is over
	once  sync.Once
	eager atomic.Bool // look as often as the cost allows, for no reason
}

// LookBy passes on that the table wants a look.
func (g *gate) LookBy(time uint64) {
	if g.eager.Load() {
		time = 1
	}
	g.Live.LookBy(time)
}

// Next implements events.Source.
func (g *gate) Next(ev *events.Event) error {
	g.held.Lock()
	g.asked++
	g.held.Unlock()
	err := g.Live.Next(ev)
	if err == nil && ev.Kind == events.Found {
		g.once.Do(func() { close(g.found) })
	}
	return err
}

// told is a Sink that counts. It is read when the reader stands still.
type told struct {
	lost       [events.NumWhere]uint64
	impossible map[uint32][]track.Observation // by namespace
	before     map[uint64]track.Socket        // the life that ended just before each, by the life it is about
	ended      track.Socket                   // the newest
}

// Observe implements track.Sink.
func (c *told) Observe(o *track.Observation) {
	if o.Event.Kind == events.Lost {
		c.lost[o.Event.Where] += o.Event.LostCount
	}
	if o.Event.Kind == events.Closed && o.Socket != nil {
		c.ended = *o.Socket
	}
	if o.Judgement.Verdict == model.Impossible {
		c.impossible[o.Event.Netns] = append(c.impossible[o.Event.Netns], *o)
		c.before[o.ID] = c.ended
	}
}

// follow starts a table and awaits its first inventory.
func follow(t *testing.T, o probe.Options) *liveTable {
	t.Helper()
	p, err := probe.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	live, err := p.Live(context.Background())
	if err != nil {
		_ = p.Close()
		t.Fatal(err)
	}
	f := &liveTable{t: t, probe: p, live: live, gate: &gate{Live: live, found: make(chan struct{})}}
	f.told = &told{impossible: map[uint32][]track.Observation{}, before: map[uint64]track.Socket{}}
	f.watch = watch.New(f.gate, track.New(track.Options{ResetReason: p.Features.ResetReasonName}, f.told), nil)
	go func() { _ = f.watch.Run() }() // Err tells
	t.Cleanup(func() {
		f.stop()
		if err := live.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	<-f.gate.found
	t.Cleanup(func() { // before the table is stopped
		if t.Failed() {
			f.explain()
		}
	})
	return f
}

// explain logs what the table thinks of its looks, and some of what it takes to be
// held.
func (f *liveTable) explain() {
	err := f.watch.Ask(context.Background(), func(table *track.Table) {
		stats := table.Stats()
		f.t.Logf("%v; %d losses counted; at %d, next look %d", stats.Mended, stats.Lost, table.Time(), table.LookBy())
		const most = 20
		told := 0
		for _, r := range table.Rows(nil) {
			if s, ok := table.Socket(&r); ok && s.Held() && told < most {
				told++
				f.t.Logf("cookie %x %v:%d>%d %v: facts %b, mini %v, ended %d", s.Cookie, s.Netns, s.Lport, s.Rport, s.State, s.Facts, s.Mini.Substate, s.EndTime)
			}
		}
	})
	if err != nil {
		f.t.Log(err)
	}
}

// stop ends the stream; everything is delivered then.
func (f *liveTable) stop() {
	f.t.Helper()
	f.live.Stop()
	f.watch.Wait()
	if err := f.watch.Err(); err != nil {
		f.t.Error(err)
	}
}

// state is a copy of what a table has of some namespaces.
type state struct {
	full, mini, held list
	stats            track.Stats
	impossible       []track.Observation
	before           []track.Socket // of each, the life that ended just before
}

// look copies what the table has, once it has all that happened before now.
func (f *liveTable) look(spaces ...*kerneltest.Netns) state {
	f.t.Helper()
	s := state{full: list{}, mini: list{}, held: list{}}
	var lives []track.Socket
	for asked, upTo := bootTime(f.t), uint64(0); upTo < asked; {
		err := f.watch.Ask(f.t.Context(), func(table *track.Table) {
			lives, upTo, s.stats = lives[:0], table.Time(), table.Stats()
			for _, r := range table.Rows(nil) {
				if life, ok := table.Socket(&r); ok {
					lives = append(lives, life)
				}
			}
			s.impossible, s.before = nil, nil
			for _, ns := range spaces {
				s.impossible = append(s.impossible, f.told.impossible[ns.Inum()]...)
			}
			for _, o := range s.impossible {
				s.before = append(s.before, f.told.before[o.ID])
			}
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	ours := map[uint32]bool{}
	for _, ns := range spaces {
		ours[ns.Inum()] = true
	}
	for i := range lives {
		life := &lives[i]
		if !ours[life.Netns] {
			continue
		}
		ev := events.Event{Family: life.Family, Saddr: life.Saddr, Daddr: life.Daddr, Lport: life.Lport, Rport: life.Rport}
		one := listed{life.Netns, cookieText(life.Cookie), ssSocket{ssNames[life.State.String()], ev.Local(), ev.Remote()}}
		switch {
		case life.Open():
			s.full[one] = nil
		case life.Held():
			s.held[one] = nil
		}
		if life.Mini.Waiting() {
			one.state = ssNames[life.Mini.Substate.String()]
			s.mini[one] = nil
		}
	}
	return s
}

// noneImpossible fails the test on a verdict of what TCP does not allow.
func (s *state) noneImpossible(t *testing.T) {
	t.Helper()
	const most = 5
	for i, o := range s.impossible {
		ev := &o.Event
		if i < most {
			was := &s.before[i]
			t.Errorf("impossible (%s): #%d %v>%v %v %s>%s, step %d, at %d, cookie %x, flags %x; ended before: #%d %x %d>%d from %s, at %d, born %d, facts %b, %d steps, %v",
				o.Judgement.Rule, o.ID, ev.Local(), ev.Remote(), ev.Kind, ev.From, ev.To, o.Step, ev.Time, ev.Cookie, ev.Flags,
				was.ID, was.Cookie, was.Lport, was.Rport, was.EndFrom, was.EndTime, was.Born, was.Facts, was.Steps, was.History())
		}
	}
	if len(s.impossible) > most {
		t.Errorf("%d verdicts are impossible", len(s.impossible))
	}
}

func cookieText(cookie uint64) string {
	if cookie == 0 {
		return ""
	}
	return strconv.FormatUint(cookie, 16)
}

// bootTime is the time on the clock of the events.
func bootTime(t *testing.T) uint64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return uint64(ts.Nano())
}

// mended is how long the picture may be wrong after a loss: the pause that the
// reader leaves between two inventories, and some.
const mended = 2 * time.Minute

// check compares the table with what ss shows around it, and with what the mill
// knows of sockets that ss does not show. Of those without a descriptor nothing
// but their own events tells.
func (f *liveTable) check(p mill.Picture, a, b *kerneltest.Netns) error {
	f.t.Helper()
	before := ssTruth(f.t, a, b)
	s := f.look(a, b)
	after := ssTruth(f.t, a, b)
	return errors.Join(differ(known(f.t, before.full), known(f.t, s.full), known(f.t, after.full)).err(),
		f.checkMinis(before.mini, s.mini, after.mini), checkHeld(p, s.held))
}

// checkMinis compares the mini-sockets, where their timers are watched.
func (f *liveTable) checkMinis(before, ours, after list) error {
	if !f.probe.TimersOn() {
		return nil
	}
	d := differ(known(f.t, before), known(f.t, ours), known(f.t, after))
	d.missing = slices.DeleteFunc(d.missing, func(one listed) bool { return one.state == "SYN-RECV" }) // of requests nothing is kept
	return d.err()
}

// known is what a list may be compared by: without cookies where programs cannot
// ask for them (before 5.12), as a socket's is unknown until its next event.
func known(t *testing.T, l list) list {
	t.Helper()
	if kerneltest.HasFunc(t, "bpf_get_socket_ptr_cookie") {
		return l
	}
	less := list{}
	for one, held := range l {
		one.cookie = ""
		less[one] = held
	}
	return less
}

// checkHeld compares the sockets in CLOSE with those of the mill.
func checkHeld(p mill.Picture, held list) error {
	sure, _ := heldOf(p)
	perhaps := map[listed]bool{} // held, or in flight
	for i := range p.Sockets {
		if s := &p.Sockets[i]; s.MayBe("CLOSE") {
			perhaps[listed{netns: s.Netns, cookie: strconv.FormatUint(s.Cookie, 16)}] = true
		}
	}
	var all []error
	found := map[listed]bool{}
	for one := range held {
		key := listed{netns: one.netns, cookie: one.cookie}
		found[key] = true
		if !perhaps[key] && one.cookie != "" { // before 5.12 it may have none
			all = append(all, fmt.Errorf("nobody holds %v", one))
		}
	}
	for key, s := range sure {
		if !found[key] {
			all = append(all, fmt.Errorf("%s: socket %s is held by %v", s.Kind, key.cookie, s.Holders))
		}
	}
	const most = 5
	return errors.Join(all[:min(most, len(all))]...)
}

// The table that follows the events is, whenever the churn stands still, what ss
// shows, and looking at it for no reason finds nothing to mend.
func TestTableIsTheKernels(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := twoRooms(t)
	hidden := watchHidden(t)
	m := mill.Start(t, a, b, 2)
	f := follow(t, probe.Options{RingSize: 32 << 20}) // all that happens between two stops
	f.gate.eager.Store(true)
	stops := 6
	if kerneltest.Guest() != "" {
		stops = 3
	}
	for range stops {
		p := m.Make(kerneltest.Load(12000) / stops)
		err := f.check(p, a, b)
		if err != nil && hidden()+f.lost() > 0 {
			kerneltest.AwaitNoError(t, mended, func() error { return f.check(p, a, b) }, "the picture to be mended")
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := f.look(a, b)
	if hidden() == 0 {
		s.noneImpossible(t)
		if m := &s.stats.Mended; m.Total() > 0 && f.lost() == 0 {
			t.Errorf("nothing was lost: %v", m)
		}
	}
	t.Logf("%d looks", s.stats.Mended.Looks)
	t.Logf("%d open, %d held, %d hidden, %s", len(s.full), len(s.held), hidden(), s.stats.Completeness())
	f.stop()
	f.checkLosses()
}

// lost is how many events the kernel's programs could not deliver so far.
func (f *liveTable) lost() (n int) {
	f.t.Helper()
	counters, err := f.probe.Counters()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range counters {
		n += int(c.Lost + c.Nested)
	}
	return n
}

// checkLosses compares what the stream said of its losses with the programs'
// counters, once it has ended.
func (f *liveTable) checkLosses() {
	f.t.Helper()
	counters, err := f.probe.Counters()
	if err != nil {
		f.t.Fatal(err)
	}
	var ring, nested, seen, filtered uint64
	for _, c := range counters {
		ring += c.Lost
		nested += c.Nested
		seen += c.Seen
		filtered += c.Filtered
	}
	if got := f.told.lost[events.WhereRing]; got != ring {
		f.t.Errorf("told of %d events lost in the ring, counted %d", got, ring)
	}
	if got := f.told.lost[events.WhereNested]; got != nested {
		f.t.Errorf("told of %d events lost by nesting, counted %d", got, nested)
	}
	if got := f.live.Delivered(); got+filtered+ring != seen {
		f.t.Errorf("seen %d, but %d filtered + %d lost + %d delivered", seen, filtered, ring, got)
	}
}
