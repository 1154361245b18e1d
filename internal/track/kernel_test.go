package track

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// kernel is a small kernel with a reader of its ring: it makes sockets, moves them
// through their states, and uses their memory and ports again, as Linux does. The
// ring may be full, and an inventory takes its time.
type kernel struct {
	t      *testing.T
	random *rand.Rand
	table  *Table
	now    uint64
	cookie uint64
	memory [6]*kernelSocket // of full sockets; the address is the place + 1
	minis  [6]*kernelMini   // the address is the place + minisAt

	full     bool // the ring: what happens is lost
	ring     []events.Event
	lost     uint64
	said     uint64 // of it
	passTime uint64
	rows     []events.Event // of the inventory, not handed over yet
	steps    []func()       // of the inventory, still to come
	wrong    []Observation
	told     map[uint64]uint64 // lives told of and not ended, with their cookies
}

const minisAt = 17

// kernelSocket is a full socket.
type kernelSocket struct {
	events.Event // its tuple and cookie
	state        model.State
	held         bool // by an fd
	passive      bool
}

type kernelMini struct {
	events.Event
	cookie uint64
}

// Observe implements Sink.
func (k *kernel) Observe(o *Observation) {
	if o.Judgement.Verdict == model.Impossible {
		k.wrong = append(k.wrong, *o)
	}
	if cookie, ok := k.told[o.ID]; ok && cookie != o.Event.Cookie {
		k.t.Errorf("life %d has cookie %d, then %d", o.ID, cookie, o.Event.Cookie)
	}
	switch o.Event.Kind {
	case events.Transition, events.Inventory:
		if o.ID != 0 && o.Event.To != model.TimeWait && (o.Event.To != model.Close || o.Event.Kind == events.Transition) {
			k.told[o.ID] = o.Event.Cookie
		}
	case events.Closed:
		delete(k.told, o.ID)
	}
}

func newKernel(t *testing.T, seed uint64) *kernel {
	k := &kernel{t: t, random: rand.New(rand.NewPCG(seed, 0)), now: 1e9, told: map[uint64]uint64{}}
	k.table = New(Options{KeepClosed: int(seed % 3)}, k)
	k.apply(events.Event{Kind: events.TimersOn, Time: k.now})
	k.apply(events.Event{Kind: events.Look, Time: k.now})
	k.apply(events.Event{Kind: events.Walked, Time: k.now, Netns: 1, NetnsCookie: 1})
	k.apply(events.Event{Kind: events.Found, Time: k.now})
	return k
}

func (k *kernel) apply(ev events.Event) {
	k.t.Helper()
	k.table.Apply(&ev)
	if err := consistent(k.table); err != nil {
		k.t.Fatalf("at %d, after %s %s>%s of %#x, %d: %v", ev.Time, ev.Kind, ev.From, ev.To, ev.SK, ev.Cookie, err)
	}
}

// emit is a program: it puts an event into the ring, if there is room.
func (k *kernel) emit(kind events.Kind, ev events.Event, changes ...change) {
	k.now += 1 + k.random.Uint64N(20e3)
	ev.Kind, ev.Time, ev.InState = kind, k.now, -1
	for _, c := range changes {
		c(&ev)
	}
	if k.full && k.random.IntN(4) > 0 {
		k.lost++
		return
	}
	k.ring = append(k.ring, ev)
}

// to moves a socket to a state.
func (k *kernel) to(s *kernelSocket, to model.State, changes ...change) {
	from := s.state
	k.emit(events.Transition, s.Event, append(changes, func(ev *events.Event) { ev.From, ev.To = from, to })...)
	s.state = to
}

// act lets something happen to one place of the memory.
func (k *kernel) act() {
	at := k.random.IntN(len(k.memory))
	if m := k.minis[at]; m != nil && k.random.IntN(3) == 0 {
		k.actMini(at, m)
		return
	}
	s := k.memory[at]
	switch {
	case s == nil:
		k.bear(at)
	case s.state == model.Close:
		k.emit(events.Destroy, s.Event)
		k.memory[at] = nil
	case k.random.IntN(6) == 0:
		s.held = !s.held
	case k.random.IntN(12) == 0:
		k.emit(events.ResetReceived, s.Event)
		k.end(at, s)
	default:
		k.step(at, s)
	}
}

// bear makes a socket, whose tuple may be a mini-socket's.
func (k *kernel) bear(at int) {
	k.cookie++
	s := &kernelSocket{held: k.random.IntN(2) == 0, passive: k.random.IntN(2) == 0}
	s.Event = events.Event{
		SK: uint64(at + 1), Cookie: k.cookie, Netns: 1, NetnsCookie: 1, Family: events.IPv4,
		Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2}, Lport: uint16(1 + k.random.IntN(8)), Rport: 80,
	}
	for _, other := range k.memory {
		if other != nil && other.Lport == s.Lport && other.state != model.Close {
			return // the port is taken
		}
	}
	cause := events.CauseConnect
	if s.passive {
		cause = events.CauseSYN
	}
	for i, m := range k.minis {
		if m != nil && m.Lport == s.Lport {
			k.emit(events.TWCancel, m.Event, func(ev *events.Event) { ev.Count = uint8(cause) })
			k.minis[i] = nil
		}
	}
	k.memory[at] = s
	if s.passive {
		s.state = model.Listen
		k.to(s, model.SynRecv)
		k.to(s, model.Established)
		return
	}
	s.state = model.Close
	k.to(s, model.SynSent)
}

// step takes a socket further on one of its ways.
func (k *kernel) step(at int, s *kernelSocket) {
	either := func(a, b model.State) model.State {
		if k.random.IntN(2) == 0 {
			return a
		}
		return b
	}
	switch s.state {
	case model.SynSent:
		k.to(s, model.Established)
	case model.Established:
		k.to(s, either(model.FinWait1, model.CloseWait))
	case model.FinWait1:
		k.to(s, either(model.FinWait2, model.Closing))
	case model.CloseWait:
		k.to(s, model.LastAck)
	case model.LastAck:
		k.end(at, s)
	case model.FinWait2, model.Closing:
		k.wait(at, s)
	}
}

// wait puts a mini-socket in the place of a socket, if there is room.
func (k *kernel) wait(at int, s *kernelSocket) {
	if i := slices.Index(k.minis[:], nil); i >= 0 && k.random.IntN(8) > 0 {
		m := &kernelMini{s.Event, s.Cookie}
		m.SK, m.From, m.To = uint64(i+minisAt), model.TimeWait, model.TimeWait
		m.Extra = 60e9
		k.emit(events.TWStart, m.Event)
		k.minis[i] = m
		for k.minis[i] == m && k.random.IntN(4) == 0 {
			k.actMini(i, m) // a packet overtakes the end
			if k.random.IntN(2) == 0 {
				k.pass()
			}
		}
	}
	k.end(at, s, func(ev *events.Event) { ev.Flags |= model.Done })
}

// end takes a socket to CLOSE. Its memory is free again if nobody holds it.
func (k *kernel) end(at int, s *kernelSocket, changes ...change) {
	k.to(s, model.Close, changes...)
	if !s.held {
		k.emit(events.Destroy, s.Event)
		k.memory[at] = nil
	}
}

func (k *kernel) actMini(at int, m *kernelMini) {
	switch k.random.IntN(5) {
	case 0: // the peer's FIN comes again
		k.emit(events.TWCancel, m.Event)
		k.emit(events.TWStart, m.Event)
		return
	case 1:
		k.emit(events.TWCancel, m.Event, func(ev *events.Event) { ev.Count = uint8(events.CauseRST) })
	default:
		k.emit(events.TWExpire, m.Event)
	}
	k.minis[at] = nil
}

// look begins an inventory: the fds first, then the sockets, each at its time.
func (k *kernel) look() {
	k.apply(events.Event{Kind: events.Look, Time: k.now})
	row := func(kind events.Kind, ev events.Event, to model.State) {
		k.now++
		ev.Kind, ev.Time, ev.To, ev.InState = kind, k.now, to, -1
		k.rows = append(k.rows, ev)
	}
	for at := range k.memory {
		k.steps = append(k.steps, func() {
			if s := k.memory[at]; s != nil && s.held {
				row(events.Holder, s.Event, s.state)
			}
		})
	}
	began := uint64(0)
	for at := range k.memory {
		k.steps = append(k.steps, func() {
			if at == 0 {
				began = k.now
			}
			if s := k.memory[at]; s != nil && s.state != model.Close {
				row(events.Inventory, s.Event, s.state)
			}
		}, func() {
			if m := k.minis[at]; m != nil {
				row(events.Inventory, m.Event, model.TimeWait)
			}
		})
	}
	k.steps = append(k.steps, func() {
		k.rows = append(k.rows, events.Event{Kind: events.Walked, Time: began, Netns: 1, NetnsCookie: 1, InState: -1})
		k.rows = append(k.rows, events.Event{Kind: events.Found, InState: -1})
	})
}

// pass is one of the reader's, as probe.Live makes it.
func (k *kernel) pass() {
	k.apply(events.Event{Kind: events.Tick, Time: k.passTime})
	k.now++
	k.passTime = k.now
	ring := k.ring
	k.ring = nil
	if k.lost > k.said {
		k.apply(events.Event{Kind: events.Lost, Time: k.passTime, LostCount: k.lost - k.said})
		k.said = k.lost
	}
	if by := k.table.LookBy(); by != 0 && by <= k.now && len(k.steps)+len(k.rows) == 0 {
		k.look()
	}
	for _, ev := range ring {
		k.apply(ev)
	}
	rows := k.rows
	k.rows = nil
	for _, ev := range rows {
		if ev.Kind == events.Found {
			k.now++
			ev.Time = k.now
		}
		k.apply(ev)
	}
}

// live lets things happen at once: sockets, the reader, the inventory.
func (k *kernel) live(n int) {
	for range n {
		switch r := k.random.IntN(100); {
		case r < 60:
			k.act()
		case r < 62:
			k.full = !k.full && k.random.IntN(4) > 0
		case r < 63:
			k.now += k.random.Uint64N(3e9)
		case r < 80 && len(k.steps) > 0:
			k.steps[0]()
			k.steps = k.steps[1:]
		case r < 90:
			k.pass()
		}
	}
}

// rest stands still until the table wants no look any more.
func (k *kernel) rest() {
	const most = 12
	for looks := 0; ; {
		for len(k.steps) > 0 {
			k.steps[0]()
			k.steps = k.steps[1:]
		}
		for range 4 {
			k.now += 2 * successorWait
			k.pass()
		}
		by := k.table.LookBy()
		switch {
		case len(k.steps) > 0:
			looks++
		case by == 0:
			return
		}
		if looks > most {
			k.t.Fatalf("a look is asked for after %d", most)
		}
		k.now = max(k.now, by)
	}
}

// compare compares the table with what there is.
func (k *kernel) compare() {
	k.t.Helper()
	var want, got []string
	for _, s := range k.memory {
		if s != nil {
			want = append(want, fmt.Sprint(s.Cookie, s.Lport, s.state))
		}
	}
	for _, m := range k.minis {
		if m != nil {
			want = append(want, fmt.Sprint(m.cookie, m.Lport, model.TimeWait))
		}
	}
	unended := maps.Clone(k.told)
	for _, r := range k.table.Rows(nil) {
		s, _ := k.table.Socket(&r)
		if s.Open() {
			delete(unended, s.ID)
		}
		if s.Open() || s.Held() {
			got = append(got, fmt.Sprint(s.Cookie, s.Lport, s.State))
		}
		if s.Mini.indexed() {
			got = append(got, fmt.Sprint(s.Cookie, s.Lport, model.TimeWait))
		}
	}
	if len(unended) > 0 {
		k.t.Errorf("lives were told of, are gone, and no end was told: %v", unended)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		k.t.Fatalf("the table has %v, want %v", got, want)
	}
}

// Whatever the kernel does, however much of it is lost, and whenever a look comes:
// the table holds together, calls nothing impossible, and is right once it wants
// no look any more.
func TestTableFollowsTheKernel(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			k := newKernel(t, seed)
			for range 3 {
				k.live(400)
				k.full = false
				k.rest()
				k.compare()
			}
			for _, o := range k.wrong {
				t.Errorf("impossible (%s): %s %s>%s of %d", o.Judgement.Rule, o.Event.Kind, o.Event.From, o.Event.To, o.Event.Cookie)
			}
			if m := &k.table.stats.Mended; k.lost == 0 && m.Total() > 0 {
				t.Errorf("nothing was lost: %v", m)
			}
		})
	}
}
