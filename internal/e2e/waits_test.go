package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// report is what waits -o json prints, as far as the tests look at it.
type report struct {
	Mono     uint64 `json:"mono_ns"`
	Sockets  int
	Sections map[string]struct {
		Count  int
		Groups []waitGroup
		Advice string
	}
	Ports []struct {
		Netns                            uint32
		Laddr, Raddr                     string
		Rport                            uint16
		Used, TimeWait, Reusable, Usable int
		Ratio                            float64
		PerMinute                        *float64 `json:"per_minute"`
		Exhausted                        *int64   `json:"exhausted_in_ns"`
		Failed                           int      `json:"connects_failed"`
		Waiting                          int      `json:"time_wait"`
		Advice                           string
	}
	Listeners []waitListener
}

type waitListener struct {
	Lport       uint16
	Accept      uint32 `json:"accept_queue"`
	AcceptLimit uint32 `json:"accept_limit"`
	Full        bool
	Unaccepted  *int
	Overflows   *uint64 `json:"netns_listen_overflows"`
}

type waitGroup struct {
	Netns uint32
	Owner struct {
		PID              uint32
		Comm, Provenance string
	}
	Kind       string
	Lport      uint16
	Raddr      string
	Rport      uint16
	Count      int
	Oldest     int64    `json:"oldest_ns"`
	Median     int64    `json:"median_ns"`
	AtLeast    bool     `json:"at_least"`
	LastMinute int      `json:"last_minute"`
	PerMinute  *float64 `json:"per_minute"`
	Unread     int
	FDs        []int
	FDCount    int `json:"fd_count"`
	Example    struct {
		Cookie   string
		Rport    uint16
		Received *int64 `json:"last_received_ns"`
		Sent     *int64 `json:"last_sent_ns"`
		FD       *int
		Age      *int64 `json:"in_state_ns"`
		AtLeast  bool   `json:"at_least"`
		Holders  []struct{ FD int }
		History  []struct{ State string }
	}
	Stack *struct {
		Count  int
		Frames []string
	}
	Other *otherEnd `json:"other_end"`
}

// otherEnd is what waits tells of a socket's other end.
type otherEnd struct {
	Count                     int
	State, Verdict, Rule, Why string
	Netns                     uint32
	Owner                     struct{ PID uint32 }
	Example                   struct{ FD *int }
}

// waitsOnce runs waits over some namespaces.
func waitsOnce(t *testing.T, args ...string) (r report) {
	t.Helper()
	out := mustOutput(t, append([]string{"waits", "-o", "json"}, args...)...)
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// reports returns what a running waits has printed so far.
func reports(t *testing.T, r *run) (all []report) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	for row := range bytes.Lines(text) {
		var one report
		if !bytes.HasSuffix(row, []byte("\n")) {
			break
		}
		if err := json.Unmarshal(row, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// ssQueues adds up what ss shows of a state: how many, and their Recv-Q.
func ssQueues(t *testing.T, ns *kerneltest.Netns, state, filter string) (n, recv int) {
	t.Helper()
	var out []byte
	var err error
	ns.Do(func() { out, err = exec.Command("ss", "-tanH", "state", state, filter).Output() })
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	for row := range bytes.Lines(out) {
		q, err := strconv.Atoi(strings.Fields(string(row))[0])
		if err != nil {
			t.Fatalf("ss: %s", row)
		}
		n, recv = n+1, recv+q
	}
	return n, recv
}

// A server that forgets to close is named, with its descriptors and ages, though it
// did so before tcpwatch came and lives in a network namespace of its own, and in a
// pid namespace.
func TestWaitsNamesALeak(t *testing.T) {
	for name, flags := range map[string]uintptr{"network namespace": 0, "pid namespace": syscall.CLONE_NEWPID} {
		t.Run(name, func(t *testing.T) { namesALeak(t, flags) })
	}
}

func namesALeak(t *testing.T, flags uintptr) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	h := inNetns(ns, func() *helper {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperMode+"=leak", helperAddr+"=127.0.0.1:0", fmt.Sprintf("%s=%x", helperName, "leaky"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		return startHelperCommand(t, cmd)
	})
	const leaks = 500
	port := addrPortOf(t, h.addr)
	began := time.Now()
	ns.Do(func() {
		for i := range leaks {
			leakOne(t, h.addr, 1+i%7)
		}
	})
	kerneltest.Eventually(t, patience, func() bool {
		n, _ := ssQueues(t, ns, "close-wait", fmt.Sprint("sport = ", port))
		return n == leaks && len(descriptors(t, h.pid())) >= leaks
	}, "the server to have accepted all")
	time.Sleep(time.Second) // so that the ages are not all 0
	r := waitsOnce(t, "--netns", fmt.Sprint(ns.Inum()))
	took := time.Since(began)
	n, recv := ssQueues(t, ns, "close-wait", fmt.Sprint("sport = ", port))
	groups := r.Sections["close_wait"].Groups
	if n != leaks || len(groups) != 1 {
		t.Fatalf("ss shows %d; %d groups: %+v", n, len(groups), groups)
	}
	g := &groups[0]
	if g.Count != leaks || g.Owner.PID != h.pid() || g.Owner.Comm != "leaky" || g.Owner.Provenance != "exact" || g.Lport != port {
		t.Errorf("%+v", g)
	}
	if g.Unread != recv-leaks { // ss counts the FIN
		t.Errorf("%d bytes unread, ss shows %d and %d FINs", g.Unread, recv, leaks)
	}
	if fds := descriptors(t, h.pid()); g.FDCount != leaks || len(g.FDs) != 16 || !slices.Equal(g.FDs, fds[:16]) {
		t.Errorf("descriptors %v of %d, want %v …", g.FDs, g.FDCount, fds[:16])
	}
	const tick = int64(20e6)
	if !g.AtLeast || g.Oldest < 1e9-tick || g.Oldest > int64(took)+tick || g.Median > g.Oldest || g.LastMinute != leaks {
		t.Errorf("oldest %v, median %v, at least %v, %d in the last minute; it took %v", time.Duration(g.Oldest), time.Duration(g.Median), g.AtLeast, g.LastMinute, took)
	}
	if x := &g.Example; x.Received == nil || *x.Received < 1e9-tick || *x.Received > int64(took)+tick || x.Cookie == "" {
		t.Errorf("the example %+v", x)
	}
	if !strings.Contains(r.Sections["close_wait"].Advice, fmt.Sprint(h.pid())) {
		t.Errorf("advice %q", r.Sections["close_wait"].Advice)
	}
}

func leakOne(t *testing.T, addr string, unread int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, err = c.Write(make([]byte, unread))
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// descriptors lists a process's sockets but for the lowest, which listens.
func descriptors(t *testing.T, pid uint32) (fds []int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		fd, _ := strconv.Atoi(name.Name())
		if to, err := os.Readlink(filepath.Join(dir, name.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds[min(1, len(fds)):]
}

// A client that takes ports towards one destination at a steady rate is told half-way
// when they end, and the connects that then fail are counted. So is the growth of
// what it leaves in CLOSE_WAIT.
func TestWaitsForeseesTheEndOfPorts(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	const ports, every = 600, 10 * time.Millisecond
	ns.Sysctl("net/ipv4/ip_local_port_range", fmt.Sprint("20000 ", 20000+ports-1))
	h := inNetns(ns, func() *helper { return startHelper(t, "leak", "127.0.0.1:1500", "server") })
	r := start(t, "waits", "--watch", "--every", "250ms", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	kerneltest.Eventually(t, patience, func() bool { return len(reports(t, r)) > 0 }, "the first report")
	var fds []int
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	})
	to := &syscall.SockaddrInet4{Port: 1500, Addr: [4]byte{127, 0, 0, 1}}
	exhausted, failed := uint64(0), 0
	tick := time.NewTicker(every)
	defer tick.Stop()
	ns.Do(func() {
		for range ports + 25 {
			<-tick.C
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
			switch err := syscall.Connect(fd, to); err {
			case nil:
			case syscall.EADDRNOTAVAIL:
				if failed++; failed == 1 {
					exhausted = bootTime(t)
				}
			default:
				t.Fatal(err)
			}
		}
	})
	if failed != 25 {
		t.Errorf("%d connects failed, want 25", failed)
	}
	kerneltest.Eventually(t, patience, func() bool {
		all := reports(t, r)
		last := &all[len(all)-1]
		return len(last.Ports) == 1 && last.Ports[0].Failed == failed
	}, "the failed connects to be counted")
	used, _ := ssQueues(t, ns, "established", "dport = 1500")
	r.interrupt()
	all := reports(t, r)
	last := all[len(all)-1].Ports[0]
	if last.Used != used || used != ports || last.Usable != ports || last.Ratio != 1 || last.Exhausted == nil || *last.Exhausted != 0 {
		t.Errorf("at the end %+v, ss shows %d", last, used)
	}
	if !strings.Contains(last.Advice, "20000 to 20599") {
		t.Errorf("advice %q", last.Advice)
	}
	half := slices.IndexFunc(all, func(one report) bool { return len(one.Ports) == 1 && one.Ports[0].Ratio >= 0.5 })
	told := all[half].Ports[0].Exhausted
	if told == nil {
		t.Fatalf("nothing was foreseen half-way: %+v", all[half].Ports[0])
	}
	truth := float64(exhausted - all[half].Mono)
	if off := float64(*told)/truth - 1; off < -0.2 || off > 0.2 {
		t.Errorf("half-way %v was foreseen, and it took %v", time.Duration(*told), time.Duration(truth))
	}
	_ = h
}

// While it watches, waits tells how fast a leak grows, the way that a leaked
// connection came, and where in its program the server accepted it.
func TestWaitsTellsWhereALeakBegan(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	h := inNetns(ns, func() *helper { return startHelper(t, "leak", "127.0.0.1:0", "leaky") })
	r := start(t, "waits", "--watch", "--stacks", "--every", "250ms", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	kerneltest.Eventually(t, patience, func() bool { return len(reports(t, r)) > 0 }, "the first report")
	const leaks, every = 200, 20 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	ns.Do(func() {
		for range leaks {
			<-tick.C
			leakOne(t, h.addr, 1)
		}
	})
	var last *report
	kerneltest.AwaitNoError(t, patience, func() error {
		all := reports(t, r)
		last = &all[len(all)-1]
		groups := last.Sections["close_wait"].Groups
		if len(groups) != 1 || groups[0].Count != leaks || groups[0].FDCount != leaks {
			return fmt.Errorf("%+v, want %d sockets and descriptors", groups, leaks)
		}
		return nil
	}, "the leak to be told")
	r.interrupt()
	all := reports(t, r)
	growing := slices.IndexFunc(all, func(one report) bool {
		g := one.Sections["close_wait"].Groups
		return len(g) == 1 && g[0].Count > leaks/2
	})
	const truth = float64(time.Minute / every)
	if rate := all[growing].Sections["close_wait"].Groups[0].PerMinute; rate == nil || *rate < truth*0.8 || *rate > truth*1.2 {
		t.Errorf("half-way it grows by %v a minute, want %v", rate, truth)
	}
	g := &last.Sections["close_wait"].Groups[0]
	if g.AtLeast || g.Owner.PID != h.pid() || g.Owner.Provenance != "exact" {
		t.Errorf("%+v, want ages that were seen, and pid %d", g, h.pid())
	}
	if got := fmt.Sprint(g.Example.History); got != "[{SYN_RECV} {ESTABLISHED} {CLOSE_WAIT}]" {
		t.Errorf("the example's history is %s", got)
	}
	if g.Stack == nil || g.Stack.Count != leaks || !slices.ContainsFunc(g.Stack.Frames, func(frame string) bool {
		return strings.Contains(frame, "e2e.leak (main_test.go:")
	}) {
		t.Errorf("accepted at %+v, want all in leak", g.Stack)
	}
}

// 10,000 sockets in TIME_WAIT are those of the process that closed first, though
// it has ended, by destination.
func TestWaitsAttributesTimeWait(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 60000")
	ns.Sysctl("net/ipv4/tcp_tw_reuse", "0")
	total := kerneltest.Load(10_000)
	each := total / 3
	r := start(t, "waits", "--watch", "--every", "500ms", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	kerneltest.Eventually(t, patience, func() bool { return len(reports(t, r)) > 0 }, "the first report")
	pids := map[uint16]uint32{} // who closed first, by destination
	for i := range 3 {
		h := inNetns(ns, func() *helper { return startHelper(t, "serve", fmt.Sprintf("127.0.0.1:%d", 1501+i), "server") })
		go func() { // it says what it has closed
			for h.lines.Scan() {
			}
		}()
		c := inNetns(ns, func() *helper { return startHelper(t, "close first", h.addr, "first") })
		if _, err := fmt.Fprintln(c.stdin, each); err != nil {
			t.Fatal(err)
		}
		pids[addrPortOf(t, h.addr)] = c.pid()
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	kerneltest.AwaitNoError(t, 20*time.Second, func() error {
		got, want := map[string]int{}, map[string]int{}
		sum := 0
		for port, pid := range pids {
			n, _ := ssQueues(t, ns, "time-wait", fmt.Sprint("dport = ", port))
			want[fmt.Sprint(pid, " ", port)] = n
			sum += n
		}
		all := reports(t, r)
		last := &all[len(all)-1]
		for _, g := range last.Sections["time_wait"].Groups {
			if g.Owner.Comm == "first" && g.Owner.Provenance == "exact" {
				got[fmt.Sprint(g.Owner.PID, " ", g.Rport)] += g.Count
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || sum < total*99/100 {
			return fmt.Errorf("%v, want %v", got, want)
		}
		for _, p := range last.Ports {
			if p.Waiting != want[fmt.Sprint(pids[p.Rport], " ", p.Rport)] || p.Reusable != 0 {
				return fmt.Errorf("ports %+v, want %v", p, want)
			}
		}
		return nil
	}, "TIME_WAIT to be told")
	r.interrupt()
}
