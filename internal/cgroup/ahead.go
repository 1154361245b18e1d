package cgroup

import (
	"sync"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
)

const (
	maxAsked      = 256  // processes that may wait to be looked at
	looksPerSec   = 1000 // a fork bomb must not keep it busy
	slots         = 1024 // a power of two
	askAgainAfter = fresh / 2
)

// Ahead looks at processes beside the stream of events, so that what is known of
// an owner is there by the time its line is written. One goroutine calls Ask,
// which costs next to nothing; a process for which there is no room or no time is
// asked for again later.
type Ahead struct {
	resolver *Resolver
	asked    chan request
	done     sync.WaitGroup
	recent   [slots]request // by pid: asked for lately, seen is then when
}

// request asks about the process that had pid at the time seen, in ns since boot.
type request struct {
	seen uint64
	pid  uint32
}

// NewAhead starts the goroutine that looks.
func NewAhead(r *Resolver) *Ahead {
	a := &Ahead{resolver: r, asked: make(chan request, maxAsked)}
	a.done.Add(1)
	go a.look()
	return a
}

// Ask has the process of an owner looked at, if that was not done lately. at is the
// time of the event that names it, in ns since boot.
func (a *Ahead) Ask(w *events.Owner, at uint64) {
	if !w.Named() || w.PID == 0 {
		return
	}
	slot := &a.recent[w.PID%slots]
	if slot.pid == w.PID && at < slot.seen+askAgainAfter {
		return
	}
	select {
	case a.asked <- request{w.Seen, w.PID}:
		*slot = request{at, w.PID}
	default:
	}
}

// Close ends the goroutine.
func (a *Ahead) Close() error {
	close(a.asked)
	a.done.Wait()
	return nil
}

func (a *Ahead) look() {
	defer a.done.Done()
	var second time.Time
	looks := 0
	for q := range a.asked {
		if t := time.Now(); t.Sub(second) >= time.Second {
			second, looks = t, 0
		}
		if looks++; looks <= looksPerSec {
			a.resolver.Look(q.pid, q.seen)
		}
	}
}
