package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf/link"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
)

// TimeWait is a way to watch the mini-sockets of TIME_WAIT, which no tracepoint
// of TCP's tells of.
type TimeWait uint8

// The ways.
const (
	TimeWaitOff    TimeWait = iota
	TimeWaitTimers          // by the tracepoints of the kernel's timers, which fire for all timers
)

// timers is the state of the programs in bpf/timewait.h.
type timers struct {
	on    atomic.Bool
	since uint64 // when they were attached, if on
}

// TimersOn reports whether every begin and end of a mini-socket is told of by
// now. It may become true during a Live, which tells of it by events.TimersOn.
func (p *Probe) TimersOn() bool { return p.timers.on.Load() }

// What the code of a function says of a timer that it cancels, beside
// events.Cause: the numbers of bpf/timewait.h.
const (
	saysReceived = 128 + iota
	saysKilled
	saysRearmed
)

// twFunctions are the kernel's functions that cancel the timer of a mini-socket,
// or lead to it. Some are inlined into others on some kernels, and what calls
// another last of all may be gone from the stack.
var twFunctions = map[string]uint32{
	"tcp_timewait_state_process": uint32(events.CauseRST),
	"tcp_v4_rcv":                 saysReceived,
	"tcp_v6_rcv":                 saysReceived,
	"__inet_hash_connect":        uint32(events.CauseConnect),
	"__inet_check_established":   uint32(events.CauseConnect),
	"__inet6_check_established":  uint32(events.CauseConnect),
	"tcp_abort":                  uint32(events.CauseAbort),
	"inet_twsk_purge":            uint32(events.CauseNetns),
	"inet_twsk_deschedule_put":   saysKilled,
	"__inet_twsk_schedule":       saysRearmed,
	"__mod_timer":                saysRearmed,
	"mod_timer":                  saysRearmed,
	"mod_timer_pending":          saysRearmed,
}

// lifeOfTimeWait is what is not seen without the programs.
const lifeOfTimeWait = "the begin and end of TIME_WAIT"

// twHandler is the function of a mini-socket's timer.
const twHandler = "tw_timer_handler"

// twRange is struct tw_range.
type twRange struct {
	Start uint64
	Size  uint32
	Says  uint32
}

// maxTwRanges is TW_RANGES.
const maxTwRanges = 32

// twRanges is what the programs are told of the kernel's code.
func twRanges(all []code) (ranges [maxTwRanges]twRange) {
	n := 0
	for _, c := range all {
		if says, ok := twFunctions[c.function]; ok && n < len(ranges) && c.end-c.start <= math.MaxUint32 {
			ranges[n] = twRange{c.start, uint32(c.end - c.start), says}
			n++
		}
	}
	return ranges
}

// functions is where the kernel's functions are that twFunctions and twHandler name,
// once done is closed. Finding them takes longer than loading all programs.
type functions struct {
	done  chan struct{}
	found []code
	err   error
}

// findFunctions begins to look for them, if they are wanted.
func findFunctions(o *Options) *functions {
	f := &functions{done: make(chan struct{})}
	if !o.wantTimers() {
		close(f.done)
		return f
	}
	go func() {
		defer close(f.done)
		f.found, f.err = o.kallsyms(func(name []byte) bool {
			_, ok := twFunctions[string(name)]
			return ok || string(name) == twHandler
		})
	}()
	return f
}

// findTimers tells the programs of timers where the kernel's functions are, and
// returns the address of twHandler: 0 where it is hidden.
func (p *Probe) findTimers(f *functions) (handler uint64, err error) {
	if !p.options.wantTimers() {
		return 0, nil
	}
	<-f.done
	all, err := f.found, f.err
	for _, c := range all {
		if c.function == twHandler {
			handler = cmp.Or(handler, c.start)
		}
	}
	if err != nil || handler == 0 {
		why := fmt.Sprintf("the kernel has no symbol %s", twHandler)
		if err != nil {
			why = err.Error()
		}
		p.lose(lifeOfTimeWait+", until an inventory has met a socket in it", why)
		p.lose("why TIME_WAIT ended early", why)
	}
	if err := p.coll.Variables[bpf.TcpwatchVarTwRanges].Set(twRanges(all)); err != nil {
		return 0, fmt.Errorf("tell programs of timers: %w", err)
	}
	return handler, nil
}

func (o *Options) wantTimers() bool { return o.TimeWait == TimeWaitTimers && !o.InventoryOnly }

func ofTimers(name string) bool {
	return slices.ContainsFunc(programs[:], func(p program) bool { return p.timers && p.name == name })
}

// startTimers attaches the programs, once the function of a mini-socket's timer
// is known: handler, or if that is 0 what an inventory has met. It reports
// whether they report from now on, and did not before.
func (p *Probe) startTimers(handler uint64) (started bool, err error) {
	if !p.options.wantTimers() || p.TimersOn() || !p.timersLoaded() {
		return false, nil
	}
	variable := p.coll.Variables[bpf.TcpwatchVarTwHandler]
	if handler != 0 {
		err = variable.Set(handler)
	} else {
		err = variable.Get(&handler)
	}
	if err != nil {
		return false, fmt.Errorf("tell programs of timers: %w", err)
	}
	if handler == 0 {
		return false, nil
	}
	links, err := p.attachTimers()
	if err != nil {
		return false, err
	}
	p.links = append(p.links, links...)
	p.timers.since = now()
	p.timers.on.Store(true)
	return true, nil
}

// timersLoaded reports whether the kernel took all programs of timers. What one
// of them would show, is a stated loss otherwise, and the others make no sense.
func (p *Probe) timersLoaded() bool {
	for _, prog := range programs {
		if _, ok := p.coll.Programs[prog.name]; prog.timers && !ok {
			return false
		}
	}
	return true
}

// attachTimers attaches all programs of timers, or none. The ends come before
// the beginning, so that each mini-socket that is told to begin is told to end.
func (p *Probe) attachTimers() (links []link.Link, err error) {
	for _, prog := range slices.Backward(programs[:]) {
		if !prog.timers {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: p.coll.Programs[prog.name]})
		if err != nil {
			for _, l := range links {
				_ = l.Close()
			}
			return nil, fmt.Errorf("attach %s to %s: %w", prog.name, prog.hook, err)
		}
		links = append(links, l)
	}
	return links, nil
}

// tellTimers queues that mini-sockets are told of, if they are.
func (l *Live) tellTimers() {
	if l.probe.TimersOn() {
		l.queue = append(l.queue, events.Event{Kind: events.TimersOn, Time: l.probe.timers.since, InState: -1})
	}
}

// learnTimers begins to tell of mini-sockets, if an inventory has met the first
// where their timers could not be known before.
func (l *Live) learnTimers() {
	if l.stopping.Load() {
		return
	}
	started, err := l.probe.startTimers(0)
	if err != nil {
		l.losses = append(l.losses, Loss{lifeOfTimeWait, err.Error()})
	}
	if started {
		l.tellTimers()
	}
}
