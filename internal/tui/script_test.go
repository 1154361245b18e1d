package tui

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// start is when the scripted watch begins, in ns since boot.
const start = 1000 * second

type nowhere struct{}

func (nowhere) Observe(*track.Observation) {}

// fakeFeed is a Feed over a table that tests fill by hand.
type fakeFeed struct {
	mu    sync.Mutex
	table *track.Table
	asked int
	panic any   // raised while the table is looked at
	err   error // returned by Ask
}

func newFeed(max int) *fakeFeed {
	return &fakeFeed{table: track.New(track.Options{KeepClosed: max, MaxSockets: max}, nowhere{})}
}

func (f *fakeFeed) Ask(ctx context.Context, ask func(*track.Table)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.err != nil {
		return f.err
	}
	ask2 := ask
	if f.panic != nil {
		ask2 = func(*track.Table) { ask(nil) } // a nil table panics in the program's own code
	}
	ask2(f.table)
	return ctx.Err()
}

func (f *fakeFeed) set(change func(*fakeFeed)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeFeed) apply(list events.Slice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ev events.Event
	for list.Next(&ev) == nil {
		f.table.Apply(&ev)
	}
}

func (f *fakeFeed) tick(at uint64) { f.apply(events.Slice{{Kind: events.Tick, Time: at}}) }

// script writes the events of one socket's life.
type script struct {
	events events.Slice
	base   events.Event
	at     uint64
}

func life(sk uint64, local, remote string, pid uint32, comm string) *script {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	s := &script{at: start}
	s.base = events.Event{
		SK: sk, Cookie: 0x1000 + sk, Netns: 4026531840, NetnsCookie: 1,
		Family: events.IPv4, Lport: l.Port(), Rport: r.Port(), PID: pid,
		Saddr: address(l.Addr()), Daddr: address(r.Addr()),
	}
	if l.Addr().Is6() {
		s.base.Family = events.IPv6
	}
	copy(s.base.Comm[:], comm)
	s.base.SndUna, s.base.SndNxt, s.base.WriteSeq = 100, 100, 100
	s.base.RcvNxt, s.base.CopiedSeq = 500, 500
	s.base.Flags = model.HasSocket
	return s
}

func address(a netip.Addr) (b [16]byte) {
	copy(b[:], a.AsSlice())
	return b
}

func (s *script) after(ns uint64) *script {
	s.at += ns
	return s
}

func (s *script) add(kind events.Kind, change func(*events.Event)) *script {
	ev := s.base
	ev.Kind, ev.Time, ev.InState = kind, s.at, -1
	if change != nil {
		change(&ev)
	}
	s.events = append(s.events, ev)
	return s
}

func (s *script) to(from, to model.State, flags model.Flags) *script {
	return s.add(events.Transition, func(ev *events.Event) {
		ev.From, ev.To = from, to
		ev.Flags |= flags
		if flags&model.Owned != 0 && to == model.FinWait1 {
			ev.Shutdown = 3
		}
	})
}

func (s *script) connect(rtt uint64) *script {
	return s.to(model.Close, model.SynSent, model.Owned).after(rtt).
		to(model.SynSent, model.Established, 0)
}

// closeFirst is an orderly end begun by this side, which then waits for half a
// second.
func (s *script) closeFirst() *script {
	mini := func(ev *events.Event) {
		ev.SK, ev.From, ev.To, ev.Extra = ev.SK+1<<32, model.TimeWait, model.TimeWait, second/2
	}
	return s.to(model.Established, model.FinWait1, model.Owned).after(200*microsecond).
		to(model.FinWait1, model.FinWait2, model.Dead).after(1*millisecond).
		add(events.TWStart, mini).
		to(model.FinWait2, model.Close, model.Dead|model.Done).after(10*microsecond).
		add(events.Destroy, nil).after(second/2).
		add(events.TWExpire, mini)
}

func (s *script) resetByPeer() *script {
	s.add(events.ResetReceived, func(ev *events.Event) { ev.To = model.Established })
	return s.add(events.Transition, func(ev *events.Event) {
		ev.From, ev.To, ev.Err = model.Established, model.Close, 104
	})
}

func (s *script) found(state model.State, fd int32) *script {
	return s.add(events.Holder, func(ev *events.Event) {
		ev.To, ev.Extra = state, uint64(uint32(fd))
	})
}

// scene fills a feed with a host on an ordinary bad day. It ends 60 s after
// the start.
func scene(f *fakeFeed) {
	apply := func(s *script) { f.apply(s.events) }
	apply(life(1, "0.0.0.0:443", "0.0.0.0:0", 812, "nginx").found(model.Listen, 6))
	apply(life(2, "10.0.0.5:443", "203.0.113.9:51334", 815, "nginx").found(model.Established, 9))
	apply(life(3, "[2001:db8:0:1:2:3:4:5]:443", "[2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa]:40112", 816, "nginx").found(model.Established, 11))
	f.apply(events.Slice{{Kind: events.Found, Time: start}, {Kind: events.Tick, Time: start}})

	child := life(4, "10.0.0.5:443", "198.51.100.7:60001", 812, "nginx").after(2 * second)
	child.to(model.Close, model.SynRecv, model.Inherited).after(300*microsecond).
		to(model.SynRecv, model.Established, model.Inherited)
	apply(child)

	leak := life(5, "10.0.0.5:38114", "10.0.0.9:5432", 2201, "api-server").after(3 * second).connect(420 * microsecond)
	leak.after(4 * second)
	leak.base.RcvNxt += 65600
	leak.base.BytesReceived += 65600
	leak.base.Flags |= model.Done
	leak.to(model.Established, model.CloseWait, 0)
	apply(leak)

	retr := life(6, "10.0.0.5:38116", "10.0.0.10:6379", 2201, "api-server").after(3 * second).connect(900 * microsecond)
	for range 3 {
		retr.after(second).add(events.Retransmit, func(ev *events.Event) {
			ev.To, ev.Extra = model.Established, uint64(0x18)<<32|100
		})
	}
	apply(retr)

	kernel := life(7, "10.0.0.5:890", "10.0.0.20:2049", 0, "")
	kernel.base.Flags |= model.Kernel
	apply(kernel.after(5 * second).connect(200 * microsecond))

	heldOne := life(8, "10.0.0.5:38120", "10.0.0.9:5432", 2201, "api-server").after(20 * second).connect(380 * microsecond)
	apply(heldOne.after(10 * second).resetByPeer())

	apply(life(9, "10.0.0.5:38130", "192.0.2.80:80", 3107, "curl").after(52 * second).connect(12 * millisecond).after(140 * millisecond).closeFirst())
	apply(life(10, "10.0.0.5:38131", "192.0.2.81:80", 3108, "curl").after(30 * second).connect(12 * millisecond).after(140 * millisecond).closeFirst())

	dropped := life(11, "10.0.0.5:38140", "10.0.0.9:5432", 2201, "api-server").after(55 * second).connect(400 * microsecond)
	apply(dropped.after(2*second).resetByPeer().after(10*microsecond).add(events.Destroy, nil))

	syn := life(12, "10.0.0.5:38150", "192.0.2.99:8443", 3201, "healthcheck").after(58 * second)
	apply(syn.to(model.Close, model.SynSent, model.Owned))
	f.tick(start + 60*second)
}

// crowd fills rows as a large host would.
func crowd(n int) []track.Row {
	states := []model.State{model.Established, model.CloseWait, model.FinWait2, model.SynSent, model.Listen}
	rows := make([]track.Row, n)
	x := uint64(88172645463325252)
	for i := range rows {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		r := &rows[i]
		r.ID, r.Cookie, r.Family = uint64(i+1), x, events.IPv4
		r.Born = start + x%(50*second)
		r.Since = r.Born + x%(5*second)
		r.State = states[x%5]
		r.Verdict = model.Verdict(x / 5 % 16)
		if r.Verdict > model.Impossible {
			r.Verdict = model.Normal
		}
		r.Lport, r.Rport = uint16(x>>8), uint16(x>>24)
		binary.BigEndian.PutUint32(r.Saddr[:], uint32(x>>16))
		binary.BigEndian.PutUint32(r.Daddr[:], uint32(x>>20))
		r.Netns = 4026531840
		r.Owner = events.Owner{PID: uint32(x % 30000), FD: -1, Provenance: events.ProvenanceExact}
		copy(r.Owner.Comm[:], []string{"nginx", "postgres", "api-server", "java", "envoy"}[x%5])
		r.Facts = track.Established
	}
	return rows
}

// open returns a program of a given size that has seen the table once.
func open(t testing.TB, width, height int, change func(*Options)) (*ui, *fakeFeed) {
	t.Helper()
	f := newFeed(10000)
	scene(f)
	o := Options{Feed: f, Title: "web-1", Environ: []string{"LANG=C.UTF-8"}}
	if change != nil {
		change(&o)
	}
	m, err := newUI(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m.resize(width, height)
	look(m)
	return m, f
}
