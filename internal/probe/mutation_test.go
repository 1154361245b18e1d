package probe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// mutation is one way to falsify one event of a life. same says why that changes
// nothing that could be judged, empty if it does.
type mutation struct {
	name  string
	apply func(life []events.Event, i int) []events.Event
	same  func(life []events.Event, i int) string
}

func altered(name string, alter func(*events.Event), same func(life []events.Event, i int) string) mutation {
	return mutation{name, func(life []events.Event, i int) []events.Event {
		life = slices.Clone(life)
		alter(&life[i])
		return life
	}, same}
}

// unread says of which events a number is not read: see model.Numbers.
func unread(life []events.Event, i int) string {
	switch ev := &life[i]; {
	case ev.Kind != events.Transition:
		return "no transition"
	case ev.From == model.Close || ev.From == model.Listen:
		return "the handshake has not begun"
	case ev.From == model.SynSent && ev.To == model.Close:
		return "nothing came"
	}
	return ""
}

// readOnce says of which life a number is read only here.
func readOnce(life []events.Event, i int) string {
	if why := unread(life, i); why != "" {
		return why
	}
	n := 0
	for j := range life {
		if unread(life, j) == "" {
			n++
		}
	}
	if n < 2 {
		return "the number is read once"
	}
	return ""
}

var mutations = []mutation{
	{"dropped", func(life []events.Event, i int) []events.Event {
		return slices.Delete(slices.Clone(life), i, i+1)
	}, func(life []events.Event, i int) string {
		switch ev := &life[i]; {
		case ev.Kind == events.Transition && ev.From == ev.To:
			return "a state entered again"
		case ev.Kind != events.Transition:
			return "no transition"
		case ev.To == model.Listen:
			return "a listener's end is the same whenever it began"
		}
		return ""
	}},
	{"doubled", func(life []events.Event, i int) []events.Event {
		return slices.Insert(slices.Clone(life), i, life[i])
	}, func(life []events.Event, i int) string {
		switch ev := &life[i]; {
		case ev.Kind == events.Transition && ev.From == ev.To:
			return "a state entered again"
		case ev.Kind != events.Transition:
			return "no transition"
		}
		return ""
	}},
	{"swapped with the next", func(life []events.Event, i int) []events.Event {
		life = slices.Clone(life)
		life[i], life[i+1] = life[i+1], life[i]
		life[i].Time, life[i+1].Time = life[i+1].Time, life[i].Time
		return life
	}, func(life []events.Event, i int) string {
		if i+1 == len(life) {
			return "there is no next"
		}
		if life[i].Kind != events.Transition || life[i+1].Kind != events.Transition {
			return "no transition"
		}
		return ""
	}},
	altered("to another state", func(ev *events.Event) { ev.To = another(ev.To) }, func(life []events.Event, i int) string {
		if life[i].Kind != events.Transition {
			return "no transition"
		}
		return ""
	}),
	altered("from another state", func(ev *events.Event) { ev.From = another(ev.From) }, func(life []events.Event, i int) string {
		if life[i].Kind != events.Transition {
			return "no transition"
		}
		return ""
	}),
	altered("snd_una", func(ev *events.Event) { ev.SndUna++ }, readOnce),
	altered("rcv_nxt", func(ev *events.Event) { ev.RcvNxt++ }, func(life []events.Event, i int) string {
		if ev := &life[i]; ev.From == model.SynSent && ev.To == model.SynRecv {
			return "not known yet"
		}
		return readOnce(life, i)
	}),
	altered("write_seq", func(ev *events.Event) { ev.WriteSeq += 2 }, func(life []events.Event, i int) string {
		if why := unread(life, i); why != "" {
			return why
		}
		queued := slices.IndexFunc(life, func(ev events.Event) bool {
			return ev.Kind == events.Transition && ev.From != ev.To && (ev.To == model.FinWait1 || ev.To == model.LastAck)
		})
		if queued < 0 || i < queued {
			return "our FIN is not queued yet"
		}
		if i == queued && !slices.ContainsFunc(life[i+1:], func(ev events.Event) bool { return ev.Kind == events.Transition }) {
			return "the number is read once"
		}
		return ""
	}),
}

// another returns a state that no edge leads to where one leads to s.
func another(s model.State) model.State {
	if s == model.Listen {
		return model.Closing
	}
	return model.Listen
}

// judgedAs applies the events of one life, and returns the worst that is said of it:
// impossible before unjudged before the rest.
func judgedAs(life []events.Event) model.Verdict {
	worst := verdicts{}
	table := track.New(track.Options{}, &worst)
	table.Apply(&events.Event{Kind: events.TimersOn, Time: 1})
	table.Apply(&events.Event{Kind: events.Found, Time: 1})
	for i := range life {
		ev := life[i]
		table.Apply(&ev)
	}
	table.Finish()
	for _, v := range []model.Verdict{model.Impossible, model.Unjudged, model.Abnormal, model.Notable} {
		if worst[v] {
			return v
		}
	}
	if !worst[ended] {
		return model.Unjudged // its end was not told of
	}
	return model.Normal
}

// verdicts is a Sink that notes which there were.
type verdicts map[model.Verdict]bool

// ended stands for an end that was told of.
const ended = model.Verdict(255)

// Observe implements track.Sink.
func (v *verdicts) Observe(o *track.Observation) {
	if o.Event.Kind == events.Transition || o.Event.Kind == events.Closed {
		(*v)[o.Judgement.Verdict] = true
	}
	if o.Event.Kind == events.Closed {
		(*v)[ended] = true
	}
}

// A trace of the kernel's in which one event is false is never taken for normal: each
// event of each life is dropped, doubled, swapped and altered.
func TestMutationsAreCaught(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	p := load(t, Options{NoInventory: true, TimeWait: TimeWaitTimers})
	live, err := p.Live(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var lives [][]events.Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		var ev events.Event
		open := map[uint64][]events.Event{} // by the socket's address
		for live.Next(&ev) == nil {
			if ev.Netns != ns.Inum() || ev.SK == 0 {
				continue
			}
			if edge, ok := model.Lookup(ev.From, ev.To); ok && edge.Birth && ev.Kind == events.Transition {
				delete(open, ev.SK) // the end of the one before was hidden
			}
			open[ev.SK] = append(open[ev.SK], ev)
			if ev.Kind == events.Destroy {
				lives = append(lives, open[ev.SK])
				delete(open, ev.SK)
			}
		}
	}()
	n := kerneltest.Load(10)
	ns.Do(func() {
		for _, o := range []kerneltest.ChurnOptions{{Connections: n}, {Connections: n, IPv6: true}} {
			kerneltest.Churn(t, o)
		}
		for range 5 {
			client, server := kerneltest.Pair(t, kerneltest.IPv4)
			for _, step := range []func() error{client.CloseWrite, client.Close, server.CloseWrite, server.Close} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	live.Stop()
	<-done
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}

	caught, made := map[string]int{}, map[string]int{}
	equivalent := map[string]int{}
	whole := 0
	for _, life := range lives {
		if judgedAs(life) != model.Normal {
			continue // began before, or an event of it was hidden
		}
		whole++
		for _, m := range mutations {
			for i := range life {
				if why := m.same(life, i); why != "" {
					equivalent[m.name+": "+why]++
					continue
				}
				made[m.name]++
				switch v := judgedAs(m.apply(life, i)); v {
				case model.Impossible, model.Unjudged:
					caught[m.name]++
				default:
					if made[m.name]-caught[m.name] <= 3 {
						t.Errorf("%s at %d of %s: %s", m.name, i, courseOf(life), v)
					}
				}
			}
		}
	}
	if whole < 3*n { // of four times as many ends, of which some may be hidden
		t.Errorf("%d whole lives of %d", whole, len(lives))
	}
	for _, m := range mutations {
		t.Logf("%-22s %d of %d caught", m.name, caught[m.name], made[m.name])
		if made[m.name] == 0 || caught[m.name] < made[m.name] {
			t.Errorf("%s: %d of %d caught", m.name, caught[m.name], made[m.name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(equivalent)) {
		t.Logf("nothing to catch: %s: %d", name, equivalent[name])
	}
}

// courseOf prints a life.
func courseOf(life []events.Event) string {
	var steps []string
	for i := range life {
		if ev := &life[i]; ev.Kind == events.Transition {
			steps = append(steps, fmt.Sprintf("%s>%s", ev.From, ev.To))
		} else {
			steps = append(steps, ev.Kind.String())
		}
	}
	return strings.Join(steps, " ")
}
