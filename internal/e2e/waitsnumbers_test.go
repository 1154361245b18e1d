package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// waitScene is a namespace in which something of each kind waits, held by this
// process.
type waitScene struct {
	t  *testing.T
	ns *kerneltest.Netns

	leaked   []int // server's fds in CLOSE_WAIT
	unread   int   // bytes in them
	reset    []int // clients' fds, reset and held
	halfShut []int // clients' fds in FIN_WAIT2
	began    time.Time
}

// connected returns the two ends of a connection to a listener.
func (w *waitScene) connected(listener int) (client, server int) {
	w.t.Helper()
	client = w.client(listener)
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var err error
		server, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EAGAIN) || time.Now().After(deadline) {
			w.t.Fatalf("accept: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Cleanup(func() { _ = unix.Close(server) })
	return client, server
}

// client begins to connect to a listener.
func (w *waitScene) client(listener int) int {
	w.t.Helper()
	to, err := unix.Getsockname(listener)
	if err != nil {
		w.t.Fatal(err)
	}
	fd := tcpSocket(w.t, w.ns, unix.AF_INET)
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		w.t.Fatalf("connect: %v", err)
	}
	return fd
}

func (w *waitScene) listen(backlog int) (fd int, port uint16) {
	w.t.Helper()
	return listenWith(w.t, w.ns, netip.MustParseAddrPort("127.0.0.1:0"), backlog)
}

func (w *waitScene) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// ss runs ss in the namespace, with its rows as fields.
func (w *waitScene) ss(args ...string) (rows [][]string) {
	w.t.Helper()
	out, err := inNetnsErr(w.ns, func() ([]byte, error) { return exec.Command("ss", args...).Output() })
	if err != nil {
		w.t.Fatalf("ss %v: %v", args, err)
	}
	for row := range strings.Lines(string(out)) {
		rows = append(rows, strings.Fields(row))
	}
	return rows
}

// Every number that waits prints is that of an independent witness: ss, the
// kernel's counters, /proc/sys, or what this test did.
func TestWaitsNumbers(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	w := &waitScene{t: t, ns: namedNetns(t), began: time.Now()}
	w.ns.Sysctl("net/ipv4/tcp_syncookies", "0")
	w.ns.Sysctl("net/ipv4/tcp_tw_reuse", "0")
	w.ns.Sysctl("net/ipv4/ip_local_reserved_ports", "64000-64009")
	serves, port := w.listen(64)
	_, deaf := w.listen(64)
	silent, silentPort := w.listen(64)
	w.ns.Filter(t, "input",
		fmt.Sprintf("tcp dport %d tcp flags & (syn|ack) == syn drop", deaf),
		fmt.Sprintf("tcp dport %d tcp flags & (syn|ack) == ack drop", silentPort))

	for i := range 3 { // CLOSE_WAIT, one of them held twice
		client, server := w.connected(serves)
		_, err := unix.Write(client, make([]byte, 10+i))
		w.must(err)
		w.must(unix.Close(client))
		w.leaked, w.unread = append(w.leaked, server), w.unread+10+i
		time.Sleep(20 * time.Millisecond) // the kernel's clock ticks: the first is to be the oldest
	}
	oldest := w.leaked[0]
	again, err := unix.FcntlInt(uintptr(oldest), unix.F_DUPFD_CLOEXEC, 0)
	w.must(err)
	t.Cleanup(func() { _ = unix.Close(again) })
	for range 2 { // CLOSE, held
		client, server := w.connected(serves)
		w.must(unix.SetsockoptLinger(server, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
		w.must(unix.Close(server))
		w.reset = append(w.reset, client)
	}
	for range 2 { // FIN_WAIT2 here, and CLOSE_WAIT at the other end
		client, server := w.connected(serves)
		w.must(unix.Shutdown(client, unix.SHUT_WR))
		w.halfShut = append(w.halfShut, client)
		w.leaked = append(w.leaked, server)
	}
	for range 4 { // TIME_WAIT
		client, server := w.connected(serves)
		w.must(unix.Shutdown(client, unix.SHUT_WR))
		w.must(unix.Close(server))
		w.must(unix.Close(client))
	}
	to := &unix.SockaddrInet4{Port: int(deaf), Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(tcpSocket(t, w.ns, unix.AF_INET), to); !errors.Is(err, unix.EINPROGRESS) { // SYN_SENT
		t.Fatalf("connect: %v", err)
	}
	bound := tcpSocket(t, w.ns, unix.AF_INET)
	w.must(unix.Bind(bound, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}))
	w.client(silent)             // SYN_RECV
	queue, queued := w.listen(1) // an accept queue that overflows
	for range 4 {
		w.client(queue)
	}
	kerneltest.Eventually(t, patience, func() bool {
		return len(w.ss("-tanH", "state", "time-wait")) == 4 && nstat(t, w.ns, "TCPTimeouts") > 0 && nstat(t, w.ns, "ListenOverflows") > 0
	}, "the scene, and a second SYN")

	r, before, after := w.report()
	w.compare(&r, before, after, port, queued)
	x := &r.Sections["close_wait"].Groups[0].Example
	if x.FD == nil || *x.FD != oldest || len(x.Holders) != 2 || x.Holders[1].FD != again || x.Age == nil || !x.AtLeast {
		t.Errorf("the example %+v, want fds %d and %d", x, oldest, again)
	}
}

// report returns what waits prints, with what the kernel's counter of overflows was
// before it and after.
func (w *waitScene) report() (r report, before, after uint64) {
	before = nstat(w.t, w.ns, "ListenOverflows")
	r = waitsOnce(w.t, "--netns", fmt.Sprint(w.ns.Inum()), "--top", "0")
	return r, before, nstat(w.t, w.ns, "ListenOverflows")
}

func (w *waitScene) compare(r *report, before, after uint64, port, queued uint16) {
	t := w.t
	for section, state := range map[string]string{
		"close_wait": "close-wait", "fin_wait2": "fin-wait-2", "time_wait": "time-wait", "syn_sent": "syn-sent", "syn_recv": "syn-recv",
	} {
		sum, want := 0, len(w.ss("-tanH", "state", state))
		for _, g := range r.Sections[section].Groups {
			sum += g.Count
		}
		if r.Sections[section].Count != want || sum != want || want == 0 {
			t.Errorf("%s: %d, and %d in groups; ss shows %d", section, r.Sections[section].Count, sum, want)
		}
	}
	w.compareLeaks(r, port)
	if held := r.Sections["held"]; held.Count != len(w.reset) || held.Groups[0].Owner.PID != uint32(pidOfTest) || !slices.Equal(held.Groups[0].FDs, w.reset) {
		t.Errorf("reset and held: %+v, want %v", held, w.reset)
	}
	for _, g := range r.Sections["fin_wait2"].Groups {
		if g.Kind == "held" && !slices.Equal(g.FDs, w.halfShut) {
			t.Errorf("FIN_WAIT2: fds %v, want %v", g.FDs, w.halfShut)
		}
	}
	elapsed := time.Since(w.began)
	for _, section := range []string{"syn_sent", "syn_recv"} {
		for _, g := range r.Sections[section].Groups {
			if g.AtLeast || g.Oldest < 900e6 || time.Duration(g.Oldest) > elapsed {
				t.Errorf("%s: %v old (at least: %v), a second SYN was sent and all took %v", section, time.Duration(g.Oldest), g.AtLeast, elapsed)
			}
		}
	}
	w.compareQueue(r, before, after, queued)
	w.comparePorts(r, port)
}

func (w *waitScene) compareLeaks(r *report, port uint16) {
	t := w.t
	recv := 0
	rows := w.ss("-tanH", "state", "close-wait")
	for _, row := range rows {
		var n int
		_, err := fmt.Sscan(row[0], &n)
		w.must(err)
		recv += n - 1 // the FIN
	}
	groups := r.Sections["close_wait"].Groups
	if len(groups) != 1 {
		t.Fatalf("CLOSE_WAIT: %+v", groups)
	}
	g := &groups[0]
	slices.Sort(w.leaked)
	if g.Unread != w.unread || g.Unread != recv || g.Lport != port || g.FDCount != len(w.leaked)+1 || g.Owner.PID != uint32(pidOfTest) {
		t.Errorf("CLOSE_WAIT: %+v; wrote %d, ss shows %d; fds %v", g, w.unread, recv, w.leaked)
	}
}

func (w *waitScene) compareQueue(r *report, before, after uint64, queued uint16) {
	t := w.t
	i := slices.IndexFunc(r.Listeners, func(l waitListener) bool { return l.Lport == queued })
	if i < 0 {
		t.Fatalf("no listener at port %d in %+v", queued, r.Listeners)
	}
	l := &r.Listeners[i]
	length, limit := ssBacklog(t, w.ns, queued)
	if l.Accept != length || l.AcceptLimit != limit || !l.Full || l.Unaccepted == nil || *l.Unaccepted != int(length) {
		t.Errorf("%+v; ss shows %d of %d", l, length, limit)
	}
	if l.Overflows == nil || *l.Overflows < before || *l.Overflows > after {
		t.Errorf("%v overflows, the kernel counted %d to %d", l.Overflows, before, after)
	}
}

func (w *waitScene) comparePorts(r *report, port uint16) {
	t := w.t
	var low, high int
	text, err := inNetnsErr(w.ns, func() ([]byte, error) { return os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range") })
	w.must(err)
	_, err = fmt.Sscan(string(text), &low, &high)
	w.must(err)
	listening := 0 // ports of the range that somebody listens on
	for _, row := range w.ss("-tlnH") {
		if a, err := netip.ParseAddrPort(row[3]); err == nil && int(a.Port()) >= low && int(a.Port()) <= high {
			listening++
		}
	}
	reserved := 0
	for p := 64000; p <= 64009; p++ {
		if p >= low && p <= high {
			reserved++
		}
	}
	const boundOnly = 1
	routes := 0
	for _, p := range r.Ports {
		routes++
		used := len(w.ss("-tanH", fmt.Sprint("dport = ", p.Rport)))
		waiting := len(w.ss("-tanH", "state", "time-wait", fmt.Sprint("dport = ", p.Rport)))
		usable := high - low + 1 - reserved - listening - boundOnly
		if p.Used != used || p.Waiting != waiting || p.Usable != usable || p.Reusable != 0 || p.Laddr != "127.0.0.1" {
			t.Errorf("%+v: ss shows %d, %d in TIME_WAIT; %d ports less %d, %d and %d", p, used, waiting, high-low+1, reserved, listening, boundOnly)
		}
	}
	if routes != 4 {
		t.Errorf("%d routes: %+v", routes, r.Ports)
	}
}

// manySockets is in TestWaitsManySockets; TCPWATCH_SOCKETS=500000 asks for what a
// large host has.
func manySockets(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TCPWATCH_SOCKETS")
	if text == "" {
		return kerneltest.Load(60_000)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("TCPWATCH_SOCKETS=%q: want a number", text)
	}
	return n
}

// peakOf returns the most memory in bytes that a process has had resident, followed
// to its end. What wait() says is at least what the process had that started it.
func peakOf(pid int) (peak int) {
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, found := strings.Cut(string(text), "VmHWM:")
		if err != nil || !found { // it has ended
			return peak
		}
		var kB int
		if _, err := fmt.Sscan(rest, &kB); err == nil {
			peak = max(peak, kB<<10)
		}
		time.Sleep(time.Millisecond)
	}
}

// However many sockets there are, the answer comes soon, and in little memory.
func TestWaitsManySockets(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	const within, memory = 1500 * time.Millisecond, 200 << 20
	n := manySockets(t)
	ns := namedNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 62000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "2000000")
	ns.Sysctl("net/ipv4/tcp_tw_reuse", "0")
	ns.Do(func() { kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: n}) })
	cmd := exec.Command(kerneltest.BuildTcpwatch(t), "waits", "-o", "json")
	var out bytes.Buffer
	cmd.Stdout = &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := make(chan int)
	go func() { peak <- peakOf(cmd.Process.Pid) }()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	took, rss := time.Since(began), <-peak
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sockets: %v, of which %v of processor, and %d MiB", r.Sockets, took.Round(time.Millisecond),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond), rss>>20)
	if r.Sections["time_wait"].Count < n*9/10 {
		t.Errorf("%d in TIME_WAIT, want %d", r.Sections["time_wait"].Count, n)
	}
	if took > within || rss > memory {
		t.Errorf("it took %v and %d MiB, want at most %v and %d", took, rss>>20, within, memory>>20)
	}
}
