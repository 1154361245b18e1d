package probe

import (
	_ "embed"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// What no peer can forge: calls that fail, sockets that other processes hold, limits.
// Each case runs in a namespace of its own, and its story is given here.
func TestEndsOfThisHost(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, f kerneltest.Family)
		want string // lives in the order of their beginnings
	}{
		{"connect fails for want of a port", connectToTaken, `
listener: CLOSE>LISTEN
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED
passive: LISTEN>SYN_RECV SYN_RECV>ESTABLISHED
active: CLOSE>SYN_SENT SYN_SENT>CLOSE
  handshake_abandoned by kernel: abnormal, end-connect-failed`},
		{"TCP_REPAIR connects and closes", repair, `
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED (notable repair-connect) ESTABLISHED>CLOSE
  disconnected by local: notable, end-repair`},
		{"RFC 9293 3.5: a socket connects to itself", selfConnect, `
simultaneous: CLOSE>SYN_SENT SYN_SENT>SYN_RECV (notable simultaneous-open) SYN_RECV>ESTABLISHED ESTABLISHED>FIN_WAIT1 FIN_WAIT1>CLOSING (notable simultaneous-close) CLOSING>CLOSE
  fin by local: notable, end-fin-simultaneous
  then a mini-socket waits`},
		{"disconnect, and connect once more", reconnect, `
listener: CLOSE>LISTEN
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>CLOSE [RST sent]
  disconnected by local: notable, end-disconnected. Seen: RST sent in ESTABLISHED
passive: LISTEN>SYN_RECV SYN_RECV>ESTABLISHED [reset] ESTABLISHED>CLOSE
  reset_by_peer by peer: abnormal, end-reset-by-peer. Seen: RST received in ESTABLISHED
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED
passive: LISTEN>SYN_RECV SYN_RECV>ESTABLISHED`},
		{"a killed process was the last to hold the socket", killed, `
listener: CLOSE>LISTEN LISTEN>CLOSE
  listen_ended by local: normal, end-listener
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2 FIN_WAIT2>CLOSE
  fin by local: normal, end-fin-wait2-handover
  then a mini-socket waits
passive: LISTEN>SYN_RECV SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var runs []func(ns *kerneltest.Netns)
			for _, family := range kerneltest.Few(kerneltest.IPv4, kerneltest.IPv6) {
				runs = append(runs, func(ns *kerneltest.Netns) { ns.Do(func() { c.run(t, family) }) })
			}
			for i, got := range storiesOf(t, runs...) {
				if want := strings.TrimPrefix(c.want, "\n") + "\n"; !same(got, want) {
					t.Errorf("family %d: told:\n%s\nwant:\n%s", i, got, want)
				}
			}
		})
	}
}

// storiesOf tells what happens in a namespace each while they run. Where events were
// hidden from every program meanwhile, it is told again.
func storiesOf(t *testing.T, runs ...func(ns *kerneltest.Netns)) (stories []string) {
	t.Helper()
	for range 3 {
		probe := load(t, Options{NoInventory: true, TimeWait: TimeWaitTimers})
		b := openBooks(t, probe)
		r := recording{}
		f := follow(t, probe, r)
		var plays []played
		for _, run := range runs {
			ns := kerneltest.NewNetns(t)
			p := played{name: t.Name(), netns: ns.Inum(), began: now()}
			run(ns)
			p.end = now()
			plays = append(plays, p)
		}
		hidden := b.check(t)
		f.stop(t)
		stories = nil
		for i := range plays {
			stories = append(stories, plays[i].story(r))
		}
		if hidden == 0 {
			break
		}
		t.Logf("%d events were hidden", hidden)
	}
	return stories
}

// socket returns a socket bound to a port of loopback, 0 for any, for another at the
// same time.
func socket(t *testing.T, f kerneltest.Family, port int) (fd int, at unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(int(domain(f)), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	must(t, unix.Bind(fd, loopback(f, port)))
	at, err = unix.Getsockname(fd)
	must(t, err)
	return fd, at
}

func domain(f kerneltest.Family) events.Family {
	if f == kerneltest.IPv6 {
		return events.IPv6
	}
	return events.IPv4
}

func loopback(f kerneltest.Family, port int) unix.Sockaddr {
	if f == kerneltest.IPv6 {
		return &unix.SockaddrInet6{Port: port, Addr: f.Loopback().As16()}
	}
	return &unix.SockaddrInet4{Port: port, Addr: f.Loopback().As4()}
}

func portOf(at unix.Sockaddr) int {
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return at.Port
	case *unix.SockaddrInet6:
		return at.Port
	}
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connectToTaken(t *testing.T, f kerneltest.Family) {
	l := kerneltest.Listen(t, f)
	there := loopback(f, l.Addr().(*net.TCPAddr).Port)
	first, at := socket(t, f, 0)
	second, _ := socket(t, f, portOf(at))
	must(t, unix.Connect(first, there))
	if err := unix.Connect(second, there); err != unix.EADDRNOTAVAIL {
		t.Errorf("the second connect between the same ports: %v, want %v", err, unix.EADDRNOTAVAIL)
	}
}

func repair(t *testing.T, f kerneltest.Family) {
	fd, _ := socket(t, f, 0)
	must(t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1))
	must(t, unix.Connect(fd, loopback(f, 9)))
	must(t, unix.Close(fd))
}

func selfConnect(t *testing.T, f kerneltest.Family) {
	fd, at := socket(t, f, 0)
	must(t, unix.Connect(fd, at))
	must(t, unix.Close(fd))
}

func reconnect(t *testing.T, f kerneltest.Family) {
	l := kerneltest.Listen(t, f)
	there := loopback(f, l.Addr().(*net.TCPAddr).Port)
	fd, _ := socket(t, f, 0)
	for i := range 2 {
		must(t, unix.Connect(fd, there))
		c, err := l.Accept()
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		if i == 0 {
			disconnect(t, fd)
		}
	}
}

// disconnect is connect(AF_UNSPEC).
func disconnect(t *testing.T, fd int) {
	t.Helper()
	unspec := unix.RawSockaddr{Family: unix.AF_UNSPEC} // package unix has no type for it
	if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspec)), unsafe.Sizeof(unspec)); errno != 0 {
		t.Fatal(errno)
	}
}

func killed(t *testing.T, f kerneltest.Family) {
	client, server := kerneltest.Pair(t, f)
	file, err := client.File()
	must(t, err)
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{file}
	must(t, cmd.Start())
	must(t, file.Close())
	must(t, client.Close()) // which ends nothing: the other process holds it
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if n, err := server.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes came, want the end of the stream", n)
	}
	awaitSS(t, "fin-wait-2") // the FIN is acknowledged, perhaps 40 ms later
}

// awaitSS waits until ss shows a socket of this namespace in a state.
func awaitSS(t *testing.T, state string) {
	t.Helper()
	kerneltest.NeedProgram(t, "ss")
	kerneltest.Eventually(t, patience, func() bool {
		out, err := exec.Command("ss", "-tanH", "state", state).CombinedOutput()
		must(t, err)
		return len(out) > 0
	}, "a socket in "+state)
}

// RFC 8684 3.5: an MPTCP connection that is closed with data unread is ended by
// MP_FASTCLOSE, and its subflows by RST.
func TestMPTCPReset(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	requireMPTCP(t)
	got := storiesOf(t, func(ns *kerneltest.Netns) {
		ns.Do(func() {
			l := listenMPTCP(t)
			var d net.Dialer
			d.SetMultipathTCP(true)
			c, err := d.Dial("tcp4", l.Addr().String())
			must(t, err)
			defer c.Close()
			s, err := l.Accept()
			must(t, err)
			defer s.Close()
			_, err = c.Write([]byte("unread"))
			must(t, err)
			_, err = s.Read(make([]byte, 1)) // the rest is there, too
			must(t, err)
			must(t, s.Close())
			if _, err = c.Read(make([]byte, 1)); err == nil {
				t.Error("the other end reads on")
			}
		})
	})[0]
	const want = `listener: CLOSE>LISTEN
active: CLOSE>SYN_SENT SYN_SENT>ESTABLISHED [reset] ESTABLISHED>CLOSE
  reset_by_peer by peer: abnormal, end-reset-by-peer. Seen: RST received in ESTABLISHED
passive: LISTEN>SYN_RECV SYN_RECV>ESTABLISHED [RST sent] ESTABLISHED>CLOSE
  reset_by_local_other by kernel: abnormal, end-mptcp-reset. Seen: RST sent in ESTABLISHED
`
	if !same(got, want) {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// tcp_out_of_resources: with no orphan allowed, close() resets what it cannot end at
// once. The limit is the whole host's, so this is tried in guests alone.
func TestTooManyOrphans(t *testing.T) {
	kerneltest.RequireRoot(t)
	if kerneltest.Guest() == "" {
		t.Skip("net.ipv4.tcp_max_orphans is the whole host's: make test-kernels runs this")
	}
	kerneltest.LeakCheck(t)
	const limit = "/proc/sys/net/ipv4/tcp_max_orphans"
	before, err := os.ReadFile(limit)
	must(t, err)
	must(t, os.WriteFile(limit, []byte("0"), 0))
	t.Cleanup(func() { must(t, os.WriteFile(limit, before, 0)) })
	story := storiesOf(t, func(ns *kerneltest.Netns) { ns.Do(func() { makeOrphans(t, 15) }) })[0]
	if !strings.Contains(story, "abnormal, end-orphan-reset") {
		t.Errorf("no orphan was reset:\n%s", story)
	}
}

// makeOrphans closes connections whose data nobody reads, for longer than the kernel
// takes to count its orphans anew, a tenth of a second.
func makeOrphans(t *testing.T, n int) {
	t.Helper()
	for range n {
		client, _ := kerneltest.Pair(t, kerneltest.IPv4)
		must(t, client.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
		for {
			if _, err := client.Write(make([]byte, 1<<16)); err != nil {
				break // the buffers are full
			}
		}
		must(t, client.Close())
	}
}

// told are the rules that the stories tell of, and elsewhere says of each other end why
// it is in none, and which test has it if one does.
var elsewhere = map[string]string{
	"end-closing":        "CLOSING is both ends closing at once, which end-fin-simultaneous says; of a socket met in CLOSING it is unjudged",
	"end-child-dropped":  "a race between two handshakes of one tuple; model TestEndings has its evidence",
	"end-orphan-reset":   "TestTooManyOrphans",
	"end-orphan-dropped": "an orphan of the kernel's own in a namespace that is gone; model TestEndings has its evidence",
	"end-reset-by-local": "for a reset whose cause nothing shows; model TestEndings has its evidence",
	"end-unknown":        "for an end whose cause nothing shows; model TestEndings has its evidence",
}

//go:embed ends_test.go
var thisFile []byte // as it was built: a guest has no sources

// Every way to end that the model knows is in a story, or its absence has a reason.
func TestEveryEndIsTold(t *testing.T) {
	golden, err := os.ReadFile(storiesGolden)
	must(t, err)
	source := thisFile
	rule := regexp.MustCompile(`: \w+, (end-[a-z0-9-]+)`)
	told := map[string]bool{}
	for _, m := range slices.Concat(rule.FindAllSubmatch(golden, -1), rule.FindAllSubmatch(source, -1)) {
		told[string(m[1])] = true
	}
	for _, r := range model.Rules() {
		name := r.String()
		if !strings.HasPrefix(name, "end-") {
			continue
		}
		switch reason := elsewhere[name]; {
		case told[name] && reason != "":
			t.Errorf("%s is told of in a story, and %q says why not", name, reason)
		case !told[name] && reason == "":
			t.Errorf("%s is told of in no story", name)
		case strings.HasPrefix(reason, "Test") && !strings.Contains(string(source), "func "+reason+"("):
			t.Errorf("%s is left to %s, and there is none", name, reason)
		}
	}
}
