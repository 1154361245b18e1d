package track

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// digest lives a whole life that the kernel has kept: its steps, what was sent again,
// and the end of its memory, after which nothing can come.
func (t *Table) digest(l *events.History) {
	steps := l.Steps()
	met := slices.IndexFunc(steps, func(ev events.Event) bool { return ev.Kind == events.Transition })
	for i := range steps {
		ev := &steps[i]
		switch {
		case ev.Kind == events.Transition:
			t.transition(ev)
			for j := range steps[:max(0, met)] { // resets that came before, of a life met in its middle
				t.notice(&steps[j])
			}
			met = 0
		case i > met:
			t.notice(ev)
		}
		if i == 0 && ev.Time <= t.doubtUntil || l.Skipped() > 0 && i == events.MaxLifeSteps/2-1 {
			t.losses++ // something may be missing behind this step
		}
	}
	t.time = max(t.time, l.End.Time)
	if s := t.lookup(l.End.SK); s != nil {
		r := &l.Retransmits
		s.Retransmits = Retransmits{Data: r[0], SYN: r[1], SYNACK: r[2], FIN: r[3], Failed: l.Failed}
		if s.Role == model.RolePassive {
			s.Retransmits.SYNACK = max(r[2], l.SynAcks)
		}
		l.End.Kind = events.Destroy
		t.destroy(&l.End)
		t.settle(^uint64(0))
	}
	t.recent, t.certain = t.losses, t.losses
}

// loseLives notes a hole where each life comes in one piece: in the ring whole lives
// are lost, and else a step of whichever lives began before.
func (t *Table) loseLives(ev *events.Event) {
	if ev.Where != events.WhereRing {
		t.doubtUntil = ev.Time
	}
	t.stats.Lost[ev.Where%events.NumWhere] += ev.LostCount
	t.observe(ev, nil)
}
