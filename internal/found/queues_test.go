package found

import (
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// counting is one walked namespace, with one counter.
type counting struct{ all events.Counters }

func (*counting) Walked(netns uint32) bool { return netns == 1 }

func (c *counting) Counters(netns uint32) *events.Counters {
	if netns == 1 {
		return &c.all
	}
	return nil
}

func TestQueuesCountWhatWaits(t *testing.T) {
	on := func(addr byte) func(*events.Event) {
		return func(ev *events.Event) { ev.Saddr[0] = addr }
	}
	v6 := func(ev *events.Event) { ev.Family = events.IPv6 }
	flags := func(f model.Flags) func(*events.Event) { return func(ev *events.Event) { ev.Flags |= f } }
	port := func(ev *events.Event) { ev.Lport = 81 }
	listener := func(changes ...func(*events.Event)) events.Event {
		return event(events.Inventory, 1, 0, model.Listen, changes...)
	}
	child := func(changes ...func(*events.Event)) events.Event {
		return event(events.Inventory, 2, 0, model.Established, changes...)
	}
	for _, c := range []struct {
		name string
		in   events.Slice
		want []int // of the listeners, in their order
	}{
		{"none", events.Slice{listener()}, []int{0}},
		{"before and after their listener", events.Slice{child(), listener(), child()}, []int{2}},
		{"on any address", events.Slice{listener(), child(on(10)), child(on(11))}, []int{2}},
		{"on its own address before any", events.Slice{listener(), listener(on(10)), child(on(10)), child(on(11))}, []int{1, 1}},
		{"of other ports and families", events.Slice{listener(), child(port), child(v6)}, []int{0}},
		{"of IPv6", events.Slice{listener(v6), child(v6, on(0x20))}, []int{1}},
		{"accepted, orphaned, of MPTCP", events.Slice{listener(), child(flags(model.HasSocket)), child(flags(model.Dead)), child(flags(model.MPTCP))}, []int{0}},
		{"nobody listens", events.Slice{child()}, nil},
		{"two share them", events.Slice{listener(), listener(), child()}, []int{-1, -1}},
		{"an MPTCP listener", events.Slice{listener(flags(model.MPTCP)), child()}, []int{-1}},
		{"a namespace that was not walked", events.Slice{listener(elsewhere), child(elsewhere)}, []int{-1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all seen
			q := NewQueues(&all)
			if err := New(q).Read(&snapshot{append(c.in, events.Event{Kind: events.Found}), 1}); err != nil {
				t.Fatal(err)
			}
			var namespaces counting
			namespaces.all.Set(events.ListenDrops, 7)
			q.Finish(&namespaces)
			if len(all) != len(c.in) {
				t.Errorf("%d observations of %d", len(all), len(c.in))
			}
			var got []int
			for _, o := range all {
				if o.Event.To != model.Listen {
					if o.Listen != nil {
						t.Errorf("%v has %+v", o.Event.To, o.Listen)
					}
					continue
				}
				got = append(got, o.Listen.Unaccepted)
				if n := o.Listen.Counters; o.Event.Netns == 1 {
					if drops, ok := n.Get(events.ListenDrops); !ok || drops != 7 {
						t.Errorf("%d drops, %v; want 7", drops, ok)
					}
				} else if n != nil {
					t.Errorf("counters %v of a namespace that was not walked", n)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("unaccepted %v, want %v", got, c.want)
			}
		})
	}
}

func TestAgeOfHalfOpen(t *testing.T) {
	var all seen
	q := NewQueues(&all)
	rows := events.Slice{
		event(events.Inventory, 1, 0, model.NewSynRecv, func(ev *events.Event) { ev.BytesAcked = 2e9 }),
		event(events.Inventory, 2, 0, model.NewSynRecv),
		event(events.Inventory, 3, 0, model.Established, func(ev *events.Event) { ev.BytesAcked = 2e9 }),
		event(events.Inventory, 4, 0, model.SynSent, func(ev *events.Event) { ev.SetAges(events.Ages{Segment: 3e9, Received: -1, Sent: -1}) }),
	}
	if err := New(q).Read(&snapshot{append(rows, events.Event{Kind: events.Found}), 1}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{2e9, -1, -1, 3e9} {
		if all[i].InState != want {
			t.Errorf("row %d: %d ns, want %d", i, all[i].InState, want)
		}
	}
}
