package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
	"github.com/tcpwatch/tcpwatch/model"
)

// miniTape keeps the stream of a Live as it comes.
type miniTape struct {
	live *Live
	done sync.WaitGroup
	mu   sync.Mutex
	all  []events.Event // guarded by mu
}

// timersTape watches with the programs of timers, until the test ends.
func timersTape(t *testing.T, o Options) (*Probe, *miniTape) {
	t.Helper()
	kerneltest.RequireRoot(t)
	o.TimeWait = TimeWaitTimers
	p := load(t, o)
	live, err := p.Live(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tp := &miniTape{live: live}
	tp.done.Go(func() {
		var ev events.Event
		for live.Next(&ev) == nil {
			tp.mu.Lock()
			tp.all = append(tp.all, ev)
			tp.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		live.Stop()
		tp.done.Wait()
		checkDelivered(t, p, live.Delivered())
		if err := live.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, tp
}

// ends are the two ends of a connection. A namespace's number may soon serve
// another, so connections are told apart by them.
type ends struct{ local, remote netip.AddrPort }

func endsOf(c *net.TCPConn) ends {
	return ends{c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()}
}

// of returns what came of the sockets at one end of a connection. What IPv6 maps
// is IPv4's.
func (tp *miniTape) of(e ends) (some []events.Event) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	plain := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	for _, ev := range tp.all {
		if ev.Kind <= events.TWExpire && plain(ev.Local()) == plain(e.local) && plain(ev.Remote()) == plain(e.remote) {
			some = append(some, ev)
		}
	}
	return some
}

// minis returns what came of the mini-sockets at one end of a connection.
func (tp *miniTape) minis(e ends) []events.Event {
	return slices.DeleteFunc(tp.of(e), func(ev events.Event) bool { return ev.Kind < events.TWStart })
}

// told waits until a kind has come of the mini-sockets at one end of a
// connection.
func (tp *miniTape) told(t *testing.T, e ends, kind events.Kind) events.Event {
	t.Helper()
	var found events.Event
	kerneltest.Eventually(t, patience, func() bool {
		all := tp.minis(e)
		i := slices.IndexFunc(all, func(ev events.Event) bool { return ev.Kind == kind })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	}, fmt.Sprintf("kind %d", kind))
	return found
}

// step is what is told of a mini-socket, in short.
func step(ev *events.Event) string {
	switch ev.Kind {
	case events.TWStart:
		return "start " + ev.From.String()
	case events.TWExpire:
		return "expire " + ev.From.String()
	case events.TWCancel:
		return fmt.Sprintf("cancel %v %d", ev.From, ev.Cause())
	}
	return ""
}

func steps(all []events.Event) (some []string) {
	for i := range all {
		some = append(some, step(&all[i]))
	}
	return some
}

func cancelled(from model.State, why events.Cause) string {
	return fmt.Sprintf("cancel %v %d", from, why)
}

const orphan = `
kernel listen
syn
expect synack
ack
kernel accept
kernel close
expect fin
ack
state FIN_WAIT2
`

const timeWait = orphan + `
fin
expect ack
state TIME_WAIT
`

// What a peer does to a mini-socket: who ended it is known from the kernel's
// stack, over both families.
func TestTimeWaitEnds(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	_, tp := timersTape(t, Options{NoInventory: true})
	// Another slot of the wheel than that of TIME_WAIT, so that to enter it is a start.
	const short = "kernel sysctl net.ipv4.tcp_fin_timeout 5\n"
	began, begun := "start FIN_WAIT2", "start TIME_WAIT"
	for name, test := range map[string]struct {
		script string
		want   []string
	}{
		"runs out":              {"kernel sysctl net.ipv4.tcp_fin_timeout 1\n" + orphan + "state CLOSE\n", []string{began, "expire FIN_WAIT2"}},
		"FIN":                   {short + timeWait, []string{began, begun}},
		"RST":                   {short + timeWait + "rst\nstate CLOSE\n", []string{began, begun, cancelled(model.TimeWait, events.CauseRST)}},
		"RST, but RFC 1337":     {"kernel sysctl net.ipv4.tcp_rfc1337 1\n" + short + timeWait + "rst\nfin seq=-1\nexpect ack\n", []string{began, begun}},
		"RST in FIN_WAIT2":      {orphan + "rst\nstate CLOSE\n", []string{began, cancelled(model.FinWait2, events.CauseRST)}},
		"SYN":                   {short + timeWait + "syn seq=+100000\nexpect synack\n", []string{began, begun, cancelled(model.TimeWait, events.CauseSYN)}},
		"old SYN":               {short + timeWait + "segment SYN seq=-1000\nexpect ack\n", []string{began, begun}},
		"data":                  {orphan + "send \"too late\"\nexpect rst seq=+0\nstate CLOSE\n", []string{began, cancelled(model.FinWait2, events.CauseData)}},
		"too many mini-sockets": {"kernel sysctl net.ipv4.tcp_max_tw_buckets 0\n" + strings.ReplaceAll(orphan, "FIN_WAIT2", "CLOSE"), nil},
	} {
		script, err := tunpeer.Parse(name, test.script)
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
			t.Run(fmt.Sprintf("%s/IPv%d", name, family), func(t *testing.T) {
				ns := kerneltest.NewNetns(t)
				c := tunpeer.New(t, ns).Conn(family)
				if err := c.Run(script); err != nil {
					t.Fatal(err)
				}
				here := ends{c.Kernel, c.Peer}
				kerneltest.Eventually(t, patience, func() bool { return len(tp.minis(here)) >= len(test.want) }, "all steps")
				time.Sleep(4 * pollInterval) // for one too many
				all := tp.minis(here)
				// A FIN that comes again starts the timer anew, in another slot on a slow machine.
				if got := slices.Compact(steps(all)); !slices.Equal(got, test.want) {
					t.Errorf("told %v, want %v", got, test.want)
				}
				for i := range all {
					if ev := &all[i]; ev.Netns != ns.Inum() || ev.To != model.TimeWait || ev.SK != all[0].SK {
						t.Errorf("%s is of %#x in %d, in %v, want of %#x in %d", step(ev), ev.SK, ev.Netns, ev.To, all[0].SK, ns.Inum())
					}
				}
			})
		}
	}
}

// closeOrderly closes a connection, the client first, which is left in TIME_WAIT.
func closeOrderly(t *testing.T, client, server *net.TCPConn) {
	t.Helper()
	err := errors.Join(client.CloseWrite(), drop1(server), server.Close(), drop1(client), client.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// drop1 reads the end of the stream.
func drop1(c *net.TCPConn) error {
	if n, err := c.Read(make([]byte, 1)); n != 0 {
		return fmt.Errorf("read %d bytes, %w", n, err)
	}
	return nil
}

// A mini-socket begins just before the full socket ends, with its cookie, its
// ends and its sequence numbers.
func TestTimeWaitBegins(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	p, tp := timersTape(t, Options{NoInventory: true})
	if !p.TimersOn() {
		t.Fatalf("no timers: %+v", p.Losses)
	}
	for name, address := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "IPv4 in IPv6": "[::]:0"} {
		t.Run(name, func(t *testing.T) {
			ns := kerneltest.NewNetns(t)
			var client, server *net.TCPConn
			ns.Do(func() { client, server = pairAt(t, address) })
			// The one that is left in TIME_WAIT is the server: a child of a socket of both families.
			closeOrderly(t, server, client)
			start := tp.told(t, endsOf(server), events.TWStart)
			var all []events.Event
			var end int
			kerneltest.Eventually(t, patience, func() bool {
				all = tp.of(endsOf(server))
				end = slices.IndexFunc(all, func(ev events.Event) bool {
					return ev.Kind == events.Transition && ev.To == model.Close
				})
				return end >= 0
			}, "the full socket's end")
			first := slices.IndexFunc(all, func(ev events.Event) bool { return ev.Kind == events.TWStart })
			full := all[end]
			if first > end || start.Time > full.Time {
				t.Errorf("the start is event %d at %d, the end of the full socket %d at %d", first, start.Time, end, full.Time)
			}
			if p.Features.Has(CookieHelper) && start.Cookie == 0 || start.Cookie != full.Cookie || start.NetnsCookie != full.NetnsCookie ||
				start.Local() != full.Local() || start.Remote() != full.Remote() || start.Family != full.Family || start.SK == full.SK {
				t.Errorf("the mini-socket is %+v, the full one %+v", start, full)
			}
			if start.From != model.TimeWait || start.SndNxt != full.SndNxt || start.RcvNxt != full.RcvNxt {
				t.Errorf("the mini-socket is in %v at %d, %d, the full one at %d, %d", start.From, start.SndNxt, start.RcvNxt, full.SndNxt, full.RcvNxt)
			}
			if left := time.Duration(start.Extra); left < 59*time.Second || left > 60*time.Second {
				t.Errorf("it is to last %v", left)
			}
		})
	}
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if tp.all[0].Kind != events.TimersOn {
		t.Errorf("the stream begins with %v", tp.all[0].Kind)
	}
}

// pairAt makes a connection to a listener at address; [::]:0 is connected to
// over IPv4.
func pairAt(t *testing.T, address string) (client, server *net.TCPConn) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var d net.Dialer
	d.SetMultipathTCP(false)
	to := l.Addr().(*net.TCPAddr).AddrPort()
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(kerneltest.IPv4.Loopback(), to.Port())
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// connect() takes the place of a mini-socket, by a port of the kernel's choice.
func TestTimeWaitReused(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	_, tp := timersTape(t, Options{NoInventory: true})
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := kerneltest.NewNetns(t)
			ns.Sysctl("net/ipv4/tcp_tw_reuse", "1")
			var l *net.TCPListener
			ns.Do(func() { l = kerneltest.Listen(t, family) })
			ns.Sysctl("net/ipv4/ip_local_port_range", "2000 2000")
			var waiting ends
			connection := func() error {
				var client, server *net.TCPConn
				var err error
				ns.Do(func() {
					var c net.Conn
					if c, err = net.Dial("tcp", l.Addr().String()); err == nil {
						client = c.(*net.TCPConn)
						server, err = l.AcceptTCP()
					}
				})
				if err != nil {
					return err
				}
				waiting = endsOf(client)
				closeOrderly(t, client, server)
				return nil
			}
			if err := connection(); err != nil {
				t.Fatal(err)
			}
			tp.told(t, waiting, events.TWStart)
			kerneltest.AwaitNoError(t, patience, connection, "the port again") // after a second
			end := tp.told(t, waiting, events.TWCancel)
			if end.Cause() != events.CauseConnect || end.Lport != 2000 {
				t.Errorf("%s of port %d, want cause %d", step(&end), end.Lport, events.CauseConnect)
			}
		})
	}
}

// ss -K ends TIME_WAIT.
func TestTimeWaitAborted(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.NeedProgram(t, "ss")
	kerneltest.LeakCheck(t)
	_, tp := timersTape(t, Options{NoInventory: true})
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := kerneltest.NewNetns(t)
			var client, server *net.TCPConn
			ns.Do(func() { client, server = kerneltest.Pair(t, family) })
			closeOrderly(t, client, server)
			start := tp.told(t, endsOf(client), events.TWStart)
			var out, left []byte
			ns.Do(func() {
				out, _ = exec.Command("ss", "-KtnH", "state", "time-wait").CombinedOutput()
				left, _ = exec.Command("ss", "-tnH", "state", "time-wait").CombinedOutput()
			})
			if len(left) > 0 {
				kerneltest.SkipProved(t, "this kernel does not end TIME_WAIT by request", fmt.Errorf("ss -K: %s, and afterwards %s", out, left))
			}
			end := tp.told(t, endsOf(client), events.TWCancel)
			if end.Cause() != events.CauseAbort || end.SK != start.SK || end.Cookie != start.Cookie {
				t.Errorf("%s of %#x, want cause %d of %#x", step(&end), end.SK, events.CauseAbort, start.SK)
			}
		})
	}
}

// The end of a network namespace ends what was in it.
func TestTimeWaitOfGoneNetns(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	_, tp := timersTape(t, Options{NoInventory: true})
	var waiting ends
	t.Run("netns", func(t *testing.T) {
		ns := kerneltest.NewNetns(t)
		var client, server *net.TCPConn
		ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
		closeOrderly(t, client, server)
		waiting = endsOf(client)
		tp.told(t, waiting, events.TWStart)
	})
	if end := tp.told(t, waiting, events.TWCancel); end.Cause() != events.CauseNetns {
		t.Errorf("%s, want cause %d", step(&end), events.CauseNetns)
	}
}

// A timer that is due waits for its slot of the wheel. Who kills a mini-socket
// meanwhile is told as at any other time, and each ends exactly once.
func TestTimeWaitKilledLate(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	_, tp := timersTape(t, Options{NoInventory: true})
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/tcp_fin_timeout", "5")
	begin, err := tunpeer.Parse("orphan", orphan)
	if err != nil {
		t.Fatal(err)
	}
	kill, err := tunpeer.Parse("kill", "rst")
	if err != nil {
		t.Fatal(err)
	}
	peer := tunpeer.New(t, ns)
	const many = 16
	var conns []*tunpeer.Conn
	for range many {
		c := peer.Conn(kerneltest.IPv4)
		if err := c.Run(begin); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		time.Sleep(40 * time.Millisecond) // another part of the slot
	}
	late := 0
	for _, c := range conns { // in the order of their time
		here := ends{c.Kernel, c.Peer}
		start := tp.told(t, here, events.TWStart)
		due := start.Time + start.Extra
		time.Sleep(time.Duration(int64(due - now() + tick())))
		if err := c.Run(kill); err != nil {
			t.Fatal(err)
		}
		var all []events.Event
		kerneltest.Eventually(t, patience, func() bool { all = tp.minis(here); return len(all) > 1 }, "its end")
		switch end := all[1]; step(&end) {
		case "expire FIN_WAIT2":
		case cancelled(model.FinWait2, events.CauseRST):
			if end.Time >= due {
				late++
			}
		default:
			t.Errorf("told %v", steps(all))
		}
	}
	time.Sleep(4 * pollInterval) // for one too many
	for _, c := range conns {
		if all := tp.minis(ends{c.Kernel, c.Peer}); len(all) != 2 {
			t.Errorf("told %v", steps(all))
		}
	}
	if late == 0 {
		t.Error("none was killed late")
	}
	t.Logf("%d of %d killed late", late, many)
}
