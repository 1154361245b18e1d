package found

import (
	"errors"
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// snapshot is an inventory in memory that walked one namespace.
type snapshot struct {
	events.Slice
	walked uint32
}

func (s *snapshot) Walked(netns uint32) bool { return netns == s.walked }

type seen []track.Observation

func (s *seen) Observe(o *track.Observation) { *s = append(*s, *o) }

func event(kind events.Kind, sk, cookie uint64, state model.State, changes ...func(*events.Event)) events.Event {
	ev := events.Event{Kind: kind, SK: sk, Cookie: cookie, To: state, Netns: 1, Lport: 80, Rport: 9, Family: events.IPv4}
	if kind == events.Holder {
		ev.Extra, ev.PID, ev.Comm = 5, 80, [16]byte{'n', 'g', 'i', 'n', 'x'}
	}
	for _, c := range changes {
		c(&ev)
	}
	return ev
}

func elsewhere(ev *events.Event)      { ev.Netns = 2 }
func neverConnected(ev *events.Event) { ev.Rport = 0 }
func kernels(ev *events.Event)        { ev.Flags = model.Kernel }

func TestInventory(t *testing.T) {
	const holder, row = events.Holder, events.Inventory
	type want struct {
		state model.State
		how   events.Provenance
		fd    int32
	}
	const unknown, exact = events.ProvenanceUnknown, events.ProvenanceExact
	cases := []struct {
		name string
		in   events.Slice
		want []want
	}{
		{"nothing", nil, nil},
		{"holder and row", events.Slice{event(holder, 1, 7, model.Established), event(row, 1, 7, model.Established)},
			[]want{{model.Established, exact, 5}}},
		{"the first of several fds", events.Slice{event(holder, 1, 7, model.Listen), event(holder, 1, 7, model.Listen, func(ev *events.Event) { ev.Extra = 9 }), event(row, 1, 7, model.Listen)},
			[]want{{model.Listen, exact, 5}}},
		{"nobody holds it", events.Slice{event(row, 1, 7, model.FinWait1)}, []want{{model.FinWait1, unknown, -1}}},
		{"the address has a new socket", events.Slice{event(holder, 1, 7, model.Established), event(row, 1, 8, model.SynSent)},
			[]want{{model.SynSent, unknown, -1}}},
		{"no cookie yet when the fd was seen (Linux 5.10)", events.Slice{event(holder, 1, 0, model.Established), event(row, 1, 8, model.Established)},
			[]want{{model.Established, exact, 5}}},
		{"ended in between", events.Slice{event(holder, 1, 7, model.Established)}, nil},
		{"in a namespace that could not be entered", events.Slice{event(holder, 1, 7, model.Established, elsewhere)},
			[]want{{model.Established, exact, 5}}},
		{"reset and held", events.Slice{event(holder, 1, 7, model.Close)}, []want{{model.Close, exact, 5}}},
		{"never connected", events.Slice{event(holder, 1, 7, model.Close, neverConnected)}, nil},
		{"the kernel's own", events.Slice{event(holder, 1, 7, model.Listen, kernels), event(row, 1, 7, model.Listen, kernels)},
			[]want{{model.Listen, events.ProvenanceKernel, -1}}},
		{"mini-sockets and request sockets", events.Slice{event(row, 1, 7, model.TimeWait), event(row, 2, 0, model.NewSynRecv)},
			[]want{{model.TimeWait, unknown, -1}, {model.NewSynRecv, unknown, -1}}},
		{"leftovers in the order in which they came", events.Slice{
			event(holder, 9, 1, model.Close), event(holder, 3, 2, model.CloseWait, elsewhere), event(holder, 5, 3, model.Close), event(holder, 1, 4, model.FinWait2, elsewhere),
		}, []want{{model.Close, exact, 5}, {model.CloseWait, exact, 5}, {model.Close, exact, 5}, {model.FinWait2, exact, 5}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var all seen
			if err := New(&all).Read(&snapshot{append(c.in, events.Event{Kind: events.Found}), 1}); err != nil {
				t.Fatal(err)
			}
			var got []want
			for i, o := range all {
				got = append(got, want{o.Event.To, o.Owner.Provenance, o.Owner.FD})
				if o.ID != uint64(i+1) || o.Event.Kind != events.Inventory || o.Began != track.BeganInPast || o.InState != -1 {
					t.Errorf("observation %d: %+v", i, o)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// An accept queue is not an fd, and an fd is not an accept queue.
func TestExtraOfEachHalf(t *testing.T) {
	var all seen
	row := event(events.Inventory, 1, 7, model.Listen)
	row.Extra = 3 | 128<<32
	_ = New(&all).Read(&snapshot{events.Slice{event(events.Holder, 1, 7, model.Listen), row, event(events.Holder, 2, 8, model.Listen, elsewhere)}, 1})
	if n, limit := all[0].Event.AcceptQueue(); n != 3 || limit != 128 {
		t.Errorf("accept queue %d of %d, want 3 of 128", n, limit)
	}
	if n, limit := all[1].Event.AcceptQueue(); n != 0 || limit != 0 {
		t.Errorf("accept queue %d of %d of a socket that only an fd told of", n, limit)
	}
}

type broken struct{ snapshot }

var errBroken = errors.New("broken")

func (*broken) Next(*events.Event) error { return errBroken }

func TestReadError(t *testing.T) {
	if err := New(&seen{}).Read(&broken{}); !errors.Is(err, errBroken) {
		t.Errorf("%v, want the error of the source", err)
	}
}
