package probe

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Where /proc/kallsyms hides the kernel's addresses, the inventory learns what it
// needs from a mini-socket that is there.
func TestTimeWaitLearnt(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	hidden := Options{kallsyms: func(func([]byte) bool) ([]code, error) { return nil, errHidden }}
	ns := kerneltest.NewNetns(t)
	ns.Named(fmt.Sprintf("tcpwatch-timers-%d", os.Getpid())) // or no inventory would find it
	pair := func() ends {
		var client, server *net.TCPConn
		ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
		closeOrderly(t, client, server)
		return endsOf(client)
	}
	pair()
	p, tp := timersTape(t, hidden)
	if p.TimersOn() || !slices.ContainsFunc(p.Losses, func(l Loss) bool { return strings.HasPrefix(l.What, lifeOfTimeWait) }) {
		t.Errorf("timers on: %v; losses %+v", p.TimersOn(), p.Losses)
	}
	kerneltest.Eventually(t, patience, p.TimersOn, "an inventory")
	tp.told(t, pair(), events.TWStart)
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if !slices.ContainsFunc(tp.all, func(ev events.Event) bool { return ev.Kind == events.TimersOn }) {
		t.Error("nothing says that timers are on")
	}
}

// Without the mode there is no program of timers.
func TestTimeWaitOff(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	p := load(t, Options{kallsyms: func(func([]byte) bool) ([]code, error) {
		t.Error("looked at addresses")
		return nil, nil
	}})
	for _, prog := range programs {
		if _, ok := p.coll.Programs[prog.name]; ok && prog.timers {
			t.Errorf("%s is loaded", prog.name)
		}
	}
	if p.TimersOn() || slices.Contains(p.Attached(), "timer_start") {
		t.Errorf("timers on, attached to %v", p.Attached())
	}
}

// On each kernel the functions that the programs of timers need are there, or
// their place is taken by those that they are inlined into.
func TestFunctionsOfTimers(t *testing.T) {
	kerneltest.RequireRoot(t)
	all, err := readKallsyms(func(name []byte) bool { _, ok := twFunctions[string(name)]; return ok || string(name) == twHandler })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Logf("%s %#x to %#x", c.function, c.start, c.end)
	}
	if len(all) > maxTwRanges {
		t.Errorf("%d pieces of code, room for %d", len(all), maxTwRanges)
	}
	for _, name := range []string{
		twHandler, "tcp_timewait_state_process", "tcp_v4_rcv", "tcp_v6_rcv", "__inet_hash_connect", "tcp_abort",
		"inet_twsk_purge", "inet_twsk_deschedule_put", "__inet_twsk_schedule",
	} {
		if !slices.ContainsFunc(all, func(c code) bool { return c.function == name && c.end-c.start < 1<<16 }) {
			t.Errorf("no code of %s", name)
		}
	}
}
