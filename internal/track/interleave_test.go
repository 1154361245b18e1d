package track

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// world is a kernel with many sockets: it remembers the truth.
type world struct {
	rng     *rand.Rand
	now     uint64
	cookie  uint64
	sockets []*being
	free    []uint64 // addresses given back: the kernel uses them again soon
	stream  []events.Event
	rows    []delayed
	started bool // tcpwatch is there
}

// being is one socket and what tcpwatch could see of it.
type being struct {
	ev        events.Event
	state     model.State
	destroyed bool
	born      bool // the birth was in the stream
	seen      bool // an event was in the stream
	listed    bool // a row was
	ended     bool // ->CLOSE was in the stream
}

// delayed is a row that reaches the table at another place of the stream than
// its own.
type delayed struct {
	ev    events.Event
	place int
}

func (w *world) emit(b *being, kind events.Kind, from, to model.State) {
	if !w.started {
		return
	}
	ev := b.ev
	ev.Kind, ev.Time, ev.From, ev.To = kind, w.now, from, to
	ev.Evidence = usual(from, to)
	if kind == events.Destroy {
		w.stream = append(w.stream, ev)
		return
	}
	b.seen = true
	w.stream = append(w.stream, ev)
}

func (w *world) birth() {
	w.cookie++
	b := &being{state: model.Close}
	b.ev = events.Event{SK: w.cookie << 6, Cookie: w.cookie, Family: events.IPv4, Lport: uint16(w.cookie), Rport: 443, InState: -1}
	if n := len(w.free); n > 0 && w.rng.IntN(2) == 0 {
		b.ev.SK = w.free[n-1]
		w.free = w.free[:n-1]
	}
	from, to := model.Close, synSent
	switch w.rng.IntN(4) {
	case 0:
		to = listen
	case 1, 2:
		from, to = listen, synRecv
	}
	b.born = w.started
	b.state = to
	w.sockets = append(w.sockets, b)
	w.emit(b, events.Transition, from, to)
}

// advance moves a socket along a legal edge, or frees it.
func (w *world) advance(b *being) {
	if b.state == model.Close {
		b.destroyed = true
		w.free = append(w.free, b.ev.SK)
		w.emit(b, events.Destroy, b.state, b.state)
		return
	}
	var ways []model.Edge
	for _, e := range model.Edges() {
		if e.From == b.state && !e.Birth {
			ways = append(ways, e)
		}
	}
	e := ways[w.rng.IntN(len(ways))]
	if b.ended = e.To == model.Close && w.started; b.ended && w.rng.IntN(3) == 0 {
		w.emit(b, events.ResetReceived, b.state, b.state)
	}
	w.emit(b, events.Transition, e.From, e.To)
	b.state = e.To
}

func (w *world) list(b *being) {
	if b.state == model.Close {
		return
	}
	ev := b.ev
	ev.Kind, ev.Time, ev.To = events.Inventory, w.now, b.state
	if w.rng.IntN(2) == 0 {
		ev.Kind = events.Holder
	}
	b.listed = true
	w.rows = append(w.rows, delayed{ev, max(0, len(w.stream)+w.rng.IntN(60)-30)})
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), now: 1e9}
	for step := range 600 {
		w.now += 1 + w.rng.Uint64N(1e6)
		w.started = step > 150
		if w.rng.IntN(6) == 0 || len(w.sockets) == 0 {
			w.birth()
			continue
		}
		b := w.sockets[w.rng.IntN(len(w.sockets))]
		if b.destroyed {
			continue
		}
		if w.started && step < 450 && w.rng.IntN(3) == 0 {
			w.list(b)
			continue
		}
		w.advance(b)
	}
	return w
}

// deliver hands the stream to the table with the rows where they arrive, ticks
// now and then, and the end of the inventory after the last row.
func (w *world) deliver(s *script) {
	for i := 0; ; i++ {
		left := w.rows[:0:0]
		for _, r := range w.rows {
			if r.place == i || i == len(w.stream) {
				s.apply(r.ev)
				continue
			}
			left = append(left, r)
		}
		if w.rows != nil && len(left) == 0 {
			s.found()
		}
		w.rows = left
		if len(left) == 0 {
			w.rows = nil
		}
		if i == len(w.stream) {
			break
		}
		s.apply(w.stream[i])
		s.now = w.stream[i].Time
		if w.rng.IntN(8) == 0 {
			s.apply(events.Event{Kind: events.Tick, Time: s.now})
		}
	}
	s.now = w.now
	s.pass(1)
}

// Whatever the order in which an inventory and the stream arrive: in the end
// each socket that could be known is one row, in its true state; nothing else
// is; and nothing was ever impossible.
func TestInterleavedInventory(t *testing.T) {
	for seed := range uint64(400) {
		w := newWorld(seed)
		s := play(t, Options{})
		w.deliver(s)
		for _, problem := range w.judge(s) {
			t.Errorf("seed %d: %s", seed, problem)
		}
		if t.Failed() {
			return
		}
	}
}

func (w *world) judge(s *script) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	known := 0
	for _, b := range w.sockets {
		if b.destroyed || !b.seen && !b.listed {
			continue
		}
		life := s.table.lookup(b.ev.SK)
		if life == nil {
			say("socket %d in %s is missing", b.ev.Cookie, b.state)
			continue
		}
		known++
		if life.Cookie != b.ev.Cookie || life.State != b.state {
			say("socket %d in %s is listed as %d in %s", b.ev.Cookie, b.state, life.Cookie, life.State)
		}
		if life.Is(BeganBefore) == b.born {
			say("socket %d: birth in the stream %v, facts %b", b.ev.Cookie, b.born, life.Facts)
		}
	}
	pending := 0 // destroyed within the time for late evidence
	for _, e := range s.table.bySK.entries {
		if e.slot == 0 {
			continue
		}
		if life := s.table.arena.at(e.slot - 1); life.Is(Destroyed) && !life.Is(Reported) {
			pending++
		}
	}
	if n := s.table.bySK.n; n != known+pending {
		say("%d sockets in the table, want %d", n, known+pending)
	}
	s.table.Finish()
	said := map[uint64]string{} // what a reader of the lines knows of each id
	ends := map[uint64]int{}    // by cookie
	for _, o := range s.said {
		switch o.Event.Kind {
		case events.Inventory:
			if said[o.ID] != "" {
				say("life %d is found after %s", o.ID, said[o.ID])
			}
			said[o.ID] = "row"
		case events.Transition:
			if o.Judgement.Verdict == model.Impossible || o.Judgement.Verdict == model.Unjudged {
				say("%s>%s of life %d is %s: %s", o.Event.From, o.Event.To, o.ID, o.Judgement.Verdict, o.Judgement.Rule)
			}
			said[o.ID] = "transition"
		case events.Closed:
			if said[o.ID] == "closed" {
				say("life %d is closed twice", o.ID)
			}
			said[o.ID] = "closed"
			ends[o.Event.Cookie]++
		}
	}
	open := 0
	for _, last := range said {
		if last != "closed" {
			open++
		}
	}
	if st := s.table.Stats(); open != st.Open {
		say("%d lives are open to a reader of the lines, %d to the table", open, st.Open)
	}
	for _, b := range w.sockets {
		if want := map[bool]int{true: 1}[b.ended]; ends[b.ev.Cookie] != want {
			say("socket %d was reported closed %d times, want %d", b.ev.Cookie, ends[b.ev.Cookie], want)
		}
	}
	return problems
}
