package probe

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// While sockets move through all their states, watching starts; when they rest,
// the table has each that ss shows, once and in the same state, and no other. The
// timers are watched: of some 30,000 sockets in TIME_WAIT the kernel ends one by a
// reset, as packets overtake each other between processors (RFC 1337).
func TestStartLeavesNoHole(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	rounds, some := 6, 200
	if kerneltest.Guest() != "" {
		rounds, some = 2, 60
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			ns := roomy(t)
			ns.Named(fmt.Sprintf("tcpwatch-start-%d-%d", os.Getpid(), round)) // to be found: only this process's fd leads to it
			m := newMovers(t, ns)
			m.await(t, some/4*round) // not always at the same point of their lives
			w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
			p := load(t, Options{TimeWait: TimeWaitTimers})
			f := follow(t, p, newTally(ns.Inum()))
			m.await(t, some)
			select {
			case <-f.found:
			case <-time.After(patience):
				t.Fatal("the inventory does not end")
			}
			m.rest()
			var want map[string]int
			kerneltest.Eventually(t, patience, func() bool {
				before := socketsOf(t, ns)
				time.Sleep(20 * time.Millisecond)
				want = socketsOf(t, ns)
				return fmt.Sprint(before) == fmt.Sprint(want)
			}, "sockets at rest")
			f.stop(t)
			lost, nested := checkDelivered(t, p, f.live.Delivered())
			t.Logf("%d lost, %d nested", lost, nested)
			if different := compare(t, f.table, ns.Inum(), want, hiddenPorts(t, w)); uint64(different) > lost+nested {
				t.Errorf("%d sockets differ, with %d events lost and %d nested", different, lost, nested)
			}
			m.release()
		})
	}
}

// hiddenPorts returns the clients' ports of connections of which an event may
// have been hidden from tracing programs.
func hiddenPorts(t *testing.T, w *kerneltest.Witness) map[uint16]bool {
	t.Helper()
	of1, ports := threadsOf1(t), map[uint16]bool{}
	for _, e := range w.Events() {
		if of1[e.PID] {
			ports[e.Sport], ports[e.Dport] = true, true
		}
	}
	return ports
}

// compare finds the differences between the open rows of a namespace and what
// ss shows of it, and returns how many sockets differ. Sockets of hidden ports
// (see books.check) are left out.
func compare(t *testing.T, table *track.Table, netns uint32, want map[string]int, hidden map[uint16]bool) int {
	t.Helper()
	got := map[string]int{}
	for _, r := range table.Rows(nil) {
		if r.Netns != netns || r.Facts&track.Ended != 0 {
			continue
		}
		local := netip.AddrPortFrom(events.Addr(r.Family, &r.Saddr), r.Lport)
		remote := netip.AddrPortFrom(events.Addr(r.Family, &r.Daddr), r.Rport)
		key := func(state model.State) string { return fmt.Sprintf("%v %v %v", state, local, remote) }
		switch {
		// ss shows what a mini-socket stands for. The peer's FIN, which makes a
		// FIN_WAIT2 one TIME_WAIT, is seen by the next look.
		case r.Substate == model.FinWait2 && want[key(model.TimeWait)] == 0:
			got[key(model.FinWait2)]++
		default:
			got[key(r.State)]++
		}
	}
	for _, counts := range []map[string]int{got, want} {
		maps.DeleteFunc(counts, func(key string, _ int) bool {
			f := strings.Fields(key)
			return hidden[endpoint(t, f[1]).Port()] || hidden[endpoint(t, f[2]).Port()]
		})
	}
	missing, extra := 0, 0
	for key, n := range want {
		if got[key] != n {
			missing++
			t.Logf("ss shows %s, %d times: %d rows", key, n, got[key])
		}
	}
	for key, n := range got {
		if want[key] == 0 {
			extra++
			t.Logf("%d rows %s, which ss does not show", n, key)
		}
	}
	t.Logf("%d sockets at rest", len(want))
	return max(missing, extra)
}

// ssStates are the names of ss.
var ssStates = map[string]string{
	"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV", "FIN-WAIT-1": "FIN_WAIT1",
	"FIN-WAIT-2": "FIN_WAIT2", "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN",
	"CLOSING": "CLOSING", "TIME-WAIT": "TIME_WAIT",
}

// socketsOf counts what ss shows of a namespace, by state and tuple.
func socketsOf(t *testing.T, ns *kerneltest.Netns) map[string]int {
	t.Helper()
	var out []byte
	var err error
	ns.Do(func() { out, err = exec.Command("ss", "-tanH").Output() })
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	sockets := map[string]int{}
	for line := range bytes.Lines(out) {
		f := strings.Fields(string(line))
		if len(f) < 5 {
			continue
		}
		state, ok := ssStates[f[0]]
		if !ok {
			t.Fatalf("ss shows state %s", f[0])
		}
		sockets[fmt.Sprintf("%s %v %v", state, endpoint(t, f[3]), endpoint(t, f[4]))]++
	}
	return sockets
}

// endpoint parses an address of ss, of IPv4: 127.0.0.1:80, 0.0.0.0:*.
func endpoint(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(strings.Replace(s, ":*", ":0", 1))
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	return a
}

// movers keep connections of one namespace moving.
type movers struct {
	made    atomic.Int64
	resting atomic.Bool
	done    sync.WaitGroup
	mu      sync.Mutex
	held    []interface{ Close() error } // what stays at the end
}

func newMovers(t *testing.T, ns *kerneltest.Netns) *movers {
	t.Helper()
	m := &movers{}
	t.Cleanup(func() { m.rest(); m.release() })
	for range 2 {
		m.done.Go(func() { ns.Do(func() { m.run(t) }) })
	}
	return m
}

func (m *movers) run(t *testing.T) {
	for !m.resting.Load() {
		client, server := kerneltest.Pair(t, kerneltest.IPv4)
		n := m.made.Add(1)
		var err error
		switch n % 8 { // what it is left as until the end
		case 0:
			err = client.CloseWrite() // FIN_WAIT2 and CLOSE_WAIT
		case 1: // ESTABLISHED
		default:
			if n%2 == 0 {
				err = client.SetLinger(0)
			}
			if err == nil {
				err = client.Close()
			}
			_ = server.Close() // may find that it was reset
			if err != nil {
				t.Errorf("move: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("move: %v", err)
		}
		m.mu.Lock()
		m.held = append(m.held, client, server)
		m.mu.Unlock()
	}
}

// await waits until n more connections were made.
func (m *movers) await(t *testing.T, n int) {
	t.Helper()
	until := m.made.Load() + int64(n)
	kerneltest.Eventually(t, patience, func() bool { return m.made.Load() >= until }, "moving sockets")
}

// rest ends the movement; what is open stays.
func (m *movers) rest() {
	m.resting.Store(true)
	m.done.Wait()
}

func (m *movers) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.held {
		_ = c.Close() // the test's own cleanup may have been faster
	}
	m.held = nil
}
