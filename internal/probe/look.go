package probe

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// The inventories that Live makes: one at the start, and more when it is asked
// to, by LookBy. They cost at most a twentieth of a processor.
const (
	looksApart  = time.Second // at least, between the end of one and the next
	looksAShare = 19          // times its own duration, if that is longer
	looksWithin = time.Minute // at most: what took so long may have been a stop of this process
)

// looks is when Live looked around, and when it is to do so again.
type looks struct {
	ctx      context.Context
	by       uint64 // asked for, ns since boot; 0 if not
	earliest uint64 // when the next may begin
}

// LookBy asks for an inventory, to begin not before time (ns since boot) and as
// soon after it as the cost of the last allows; 0 withdraws the wish. For the
// goroutine that calls Next.
func (l *Live) LookBy(time uint64) { l.looks.by = time }

// look begins an inventory.
func (l *Live) look() {
	l.looks.by = 0
	l.queue = append(l.queue, events.Event{Kind: events.Look, Time: now(), InState: -1})
	l.found = startInventory(l.looks.ctx, l.probe.inventory)
	l.looking = true
}

func (l *Live) lookDue() bool {
	return l.looks.by != 0 && !l.looking && !l.stopping.Load() && now() >= max(l.looks.by, l.looks.earliest)
}

func (l *Live) lookIfDue() {
	if l.lookDue() {
		l.look()
	}
}

// lookedAround ends an inventory. What it could not look at is counted in the
// event, whose Err says whether it broke off, and those of the newest are Losses.
func (l *Live) lookedAround() {
	l.looking = false
	l.losses = l.found.losses
	var brokeOff uint16
	if l.found.err != nil && !errors.Is(l.found.err, context.Canceled) {
		l.losses = append(l.losses, Loss{"sockets that existed before the start", l.found.err.Error()})
		brokeOff = 1
	}
	l.learnTimers()
	end := now()
	apart := min(max(looksApart, looksAShare*l.found.took), looksWithin)
	l.looks.earliest = end + uint64(apart)
	l.queue = append(l.queue, events.Event{Kind: events.Found, Time: end, LostCount: uint64(len(l.losses)), Evidence: model.Evidence{Err: brokeOff}, InState: -1})
}

// wakeToLook wakes the reader when an inventory is due.
func (l *Live) wakeToLook() *time.Timer {
	wait := time.Duration(math.MaxInt64)
	if l.looks.by != 0 {
		due := max(l.looks.by, l.looks.earliest)
		wait = time.Duration(due - min(due, now()))
	}
	return time.AfterFunc(wait, l.Wake)
}
