package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// evaluator decides what is an alert. Observe and Tick are called from one goroutine,
// which reads the kernel's ring; Inventory from another. Tick returns the alerts that
// began or ended by now, in ns since boot.
type evaluator interface {
	track.Sink
	Inventory(*waits.Report)
	Tick(now uint64) []alert.Alert
}

// makeEvaluator reads the files with the rules. Its errors name line and column.
type makeEvaluator func(files []string, o alert.Options) (evaluator, error)

// rulesOf evaluates the built-in rules and those of files.
func rulesOf(files []string, o alert.Options) (evaluator, error) {
	rules, err := rulesWith(files)
	if err != nil {
		return nil, err
	}
	return alert.New(rules, o), nil
}

// rulesText is what the files with the rules hold. Where it is the same, the rules go
// on, and with them what they know.
func rulesText(files []string) (string, error) {
	var b strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read rules: %w", err)
		}
		fmt.Fprintf(&b, "%q: %q\n", name, text)
	}
	return b.String(), nil
}

// pacer is a Sink that has rules evaluated every so often by the clock of the events:
// a replay comes to the same alerts as the host did.
type pacer struct {
	tell func([]alert.Alert)

	mu    sync.Mutex // guards the rest: a reload changes it
	to    evaluator  // nil if there are no rules
	every uint64     // ns
	next  uint64     // ns since boot
}

// use has another evaluator take over.
func (p *pacer) use(to evaluator, every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to, p.every, p.next = to, uint64(every), 0
}

// pace changes how often.
func (p *pacer) pace(every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.every, p.next = uint64(every), 0
}

// Observe implements track.Sink.
func (p *pacer) Observe(o *track.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil {
		return
	}
	p.tickBy(o.Event.Time)
	p.to.Observe(o)
}

// inventory hands over what an inventory says.
func (p *pacer) inventory(r *waits.Report) {
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	if to != nil {
		to.Inventory(r) // it takes a lock of its own
	}
}

// tick evaluates if it is time: nothing may have happened for long.
func (p *pacer) tick(now uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to != nil {
		p.tickBy(now)
	}
}

// last evaluates a last time.
func (p *pacer) last(now uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to != nil {
		p.tell(p.to.Tick(now))
	}
}

func (p *pacer) tickBy(now uint64) {
	switch {
	case p.next == 0:
		p.next = now + p.every
	case now >= p.next:
		p.tell(p.to.Tick(now))
		p.next = now + p.every
	}
}

// both is a Sink of two.
type both struct{ first, second track.Sink }

// Observe implements track.Sink.
func (b both) Observe(o *track.Observation) {
	b.first.Observe(o)
	b.second.Observe(o)
}
