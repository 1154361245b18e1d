package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/netns"
)

// holder is one fd of one process.
type holder struct {
	pid uint32
	fd  int
}

// holdersByProc returns who holds a socket, by what /proc/PID/fd shows.
func holdersByProc(t *testing.T, c *net.TCPConn) map[holder]bool {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fdOf(t, c), &st); err != nil {
		t.Fatal(err)
	}
	found := map[holder]bool{}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		var h holder
		if target, err := os.Readlink(link); err != nil || target != fmt.Sprintf("socket:[%d]", st.Ino) {
			continue
		}
		if _, err := fmt.Sscanf(link, "/proc/%d/fd/%d", &h.pid, &h.fd); err != nil {
			t.Fatal(err)
		}
		found[h] = true
	}
	return found
}

// holdersBySS returns who holds a socket, by what ss -p shows.
func holdersBySS(t *testing.T, ns *kerneltest.Netns, c *net.TCPConn) map[holder]bool {
	t.Helper()
	lport, rport := kerneltest.Ports(c)
	var out []byte
	var err error
	ns.Do(func() {
		out, err = exec.Command("ss", "-tnpH", fmt.Sprintf("sport = :%d and dport = :%d", lport, rport)).Output()
	})
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	found := map[holder]bool{}
	for _, m := range regexp.MustCompile(`pid=(\d+),fd=(\d+)`).FindAllSubmatch(out, -1) {
		pid, _ := strconv.ParseUint(string(m[1]), 10, 32)
		fd, _ := strconv.Atoi(string(m[2]))
		found[holder{uint32(pid), fd}] = true
	}
	return found
}

// rowOfEnd returns the row of a connection's end in an inventory.
func rowOfEnd(t *testing.T, ns *kerneltest.Netns, c *net.TCPConn, args ...string) *line {
	t.Helper()
	lport, rport := kerneltest.Ports(c)
	args = append([]string{"sockets", "-o", "json", "--netns", fmt.Sprint(ns.Inum())}, args...)
	rows := sift(parseArray(t, mustOutput(t, args...)), func(l *line) bool { return l.Lport == lport && l.Rport == rport })
	if len(rows) != 1 {
		t.Fatalf("port %d is found %d times", lport, len(rows))
	}
	return &rows[0]
}

// unixPair returns two connected Unix sockets.
func unixPair(t *testing.T) (pair [2]*os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		pair[i] = os.NewFile(uintptr(fd), "unix")
		t.Cleanup(func() { _ = pair[i].Close() })
	}
	return pair
}

// pass sends an fd over a Unix socket.
func pass(t *testing.T, over *os.File, c *net.TCPConn) {
	t.Helper()
	if err := unix.Sendmsg(int(over.Fd()), []byte{0}, unix.UnixRights(fdOf(t, c)), nil, 0); err != nil {
		t.Fatal(err)
	}
}

// receive takes an fd from a Unix socket.
func receive(from *os.File) (int, error) {
	data, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(from.Fd()), data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("%d control messages, %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("%d fds, %w", len(fds), err)
	}
	return fds[0], nil
}

// takeOver is what a helper does that is sent an fd: it holds it until its stdin
// ends. Its own fd 3 is the Unix socket.
func takeOver() error {
	fd, err := receive(os.NewFile(3, "unix"))
	if err != nil {
		return err
	}
	fmt.Println(fd)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// Whoever holds a socket is listed, after dup, fork and SCM_RIGHTS, as /proc and
// ss -p know them; the text names the first, and how many more.
func TestEveryHolderIsListed(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	kerneltest.NeedProgram(t, "ss")
	ns := newNetns(t)
	var server *net.TCPConn
	ns.Do(func() { _, server = kerneltest.Pair(t, kerneltest.IPv4) })
	duplicate, err := server.File()
	if err != nil {
		t.Fatal(err)
	}
	defer duplicate.Close()
	child := exec.Command("cat") // gets it by fork, as fd 3
	child.ExtraFiles = []*os.File{duplicate}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(stdin.Close(), child.Wait()) }()
	ends := unixPair(t)
	pass(t, ends[0], server)
	heir := startHelperWith(t, "take over", ends[1])

	want := holdersByProc(t, server)
	for _, h := range []holder{{uint32(pidOfTest), fdOf(t, server)}, {uint32(pidOfTest), int(duplicate.Fd())}, {uint32(child.Process.Pid), 3}} {
		if !want[h] {
			t.Errorf("/proc does not show %v", h)
		}
	}
	if len(want) != 4 {
		t.Errorf("/proc shows %v, want 4", want)
	}
	if bySS := holdersBySS(t, ns, server); !maps.Equal(bySS, want) {
		t.Errorf("ss shows %v, /proc %v", bySS, want)
	}
	l := rowOfEnd(t, ns, server, "--holders")
	got := map[holder]bool{}
	for _, p := range l.Owner.Holders {
		got[holder{p.PID, *p.FD}] = true
		if p.PID == heir.pid() && p.Comm == "" {
			t.Errorf("holder %+v has no name", p)
		}
	}
	if !maps.Equal(got, want) || l.Owner.More != 0 || len(l.Owner.Holders) != len(want) {
		t.Errorf("holders %v and %d more, /proc shows %v", got, l.Owner.More, want)
	}
	if !want[holder{l.Owner.PID, *l.Owner.FD}] || l.Owner.Provenance != "exact" {
		t.Errorf("owner of %v: want one of %v", l, want)
	}
	if l := rowOfEnd(t, ns, server); l.Owner.Holders != nil {
		t.Errorf("holders are listed unasked: %v", l.Owner.Holders)
	}
	lport, rport := kerneltest.Ports(server)
	text := mustOutput(t, "sockets", "--no-headers", "--netns", fmt.Sprint(ns.Inum()), "--lport", fmt.Sprint(lport), "--rport", fmt.Sprint(rport))
	if !regexp.MustCompile(`\d+/\S+ \+3 `).Match(text) {
		t.Errorf("want the first and +3: %s", text)
	}
}

// hidden proves that a process keeps what it holds from this one: then nobody
// can say that no fd holds a socket.
func hiddenProcess(t *testing.T) bool {
	t.Helper()
	_, unreadable, err := netns.List()
	if err != nil {
		t.Fatal(err)
	}
	return unreadable > 0
}

// A socket that is in flight between processes is said to be, where every
// process can be seen; it belongs to nobody until somebody takes it.
func TestInFlight(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	ns.Named(fmt.Sprintf("tcpwatch-flight-%d", os.Getpid())) // no process lives in it
	var client, server *net.TCPConn
	ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
	ends := unixPair(t)
	pass(t, ends[0], server)
	lport, rport := kerneltest.Ports(server)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	row := func() *line {
		args := []string{"sockets", "-o", "json", "--netns", fmt.Sprint(ns.Inum()), "--lport", fmt.Sprint(lport), "--rport", fmt.Sprint(rport)}
		rows := parseArray(t, mustOutput(t, args...))
		if len(rows) != 1 {
			t.Fatalf("port %d is found %d times", lport, len(rows))
		}
		return &rows[0]
	}
	note := "in_flight"
	if hiddenProcess(t) {
		note = ""
	}
	if l := row(); l.Owner.Provenance != "unknown" || l.Owner.PID != 0 || l.Owner.Note != note || l.State != "ESTABLISHED" {
		t.Errorf("%v: want an unknown owner, %q", l, note)
	}
	if l := rowOfEnd(t, ns, client); l.Owner.PID != uint32(pidOfTest) || l.Owner.Note != "" {
		t.Errorf("%v: want this process", l)
	}
	fd, err := receive(ends[1])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if l := row(); l.Owner.Provenance != "exact" || l.Owner.PID != uint32(pidOfTest) || *l.Owner.FD != fd || l.Owner.Note != "" {
		t.Errorf("%v: want this process with fd %d", l, fd)
	}
}

// While others open and close sockets, none of theirs is said to be in flight.
func TestNothingElseIsInFlight(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	ns.Named(fmt.Sprintf("tcpwatch-none-%d", os.Getpid()))
	rest := keepChurning(t, ns, kerneltest.ChurnOptions{Connections: 50, Clients: 2}, time.Millisecond)
	notes := map[string]int{}
	rounds := 5
	if kerneltest.Guest() != "" {
		rounds = 2
	}
	for range rounds {
		for _, l := range parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))) {
			notes[l.Owner.Provenance+" "+l.Owner.Note]++
			if l.Owner.Note == "in_flight" {
				t.Errorf("in flight: %v", &l)
			}
			if l.Owner.PID != 0 && l.Owner.PID != uint32(pidOfTest) {
				t.Errorf("a stranger's: %v", &l)
			}
		}
	}
	rest()
	t.Log(notes)
}

// A child that nobody has accepted belongs to its listener's owner, and says so;
// what its process has closed is an orphan, and nobody's.
func TestChildrenNeverAcceptedAndOrphans(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := newNetns(t)
			ns.Named(fmt.Sprintf("tcpwatch-queued-%d", os.Getpid()))
			var l *net.TCPListener
			var clients []net.Conn
			var orphan, server *net.TCPConn
			ns.Do(func() {
				l = kerneltest.Listen(t, family)
				for range 3 {
					c, err := net.Dial("tcp", l.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = c.Close() })
					clients = append(clients, c)
				}
				orphan, server = kerneltest.Pair(t, family)
				synRecv(t, ns)
			})
			if err := clients[2].Close(); err != nil {
				t.Fatal(err)
			}
			serverPort, orphanPort := kerneltest.Ports(server)
			fillUp(t, orphan)
			if err := orphan.Close(); err != nil {
				t.Fatal(err)
			}
			rows := parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum())))
			port := addrPortOf(t, l.Addr().String())
			want := map[string]int{
				"LISTEN exact ": 1, "ESTABLISHED inherited not_accepted": 2, "CLOSE_WAIT inherited not_accepted": 1,
			}
			got := map[string]int{}
			for _, l := range sift(rows, func(l *line) bool { return l.Lport == port }) {
				got[fmt.Sprint(l.State, " ", l.Owner.Provenance, " ", l.Owner.Note)]++
				if l.Owner.PID != uint32(pidOfTest) {
					t.Errorf("%v: want this process", &l)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("of the listener: %v, want %v", got, want)
			}
			orphans := sift(rows, func(l *line) bool { return l.Lport == orphanPort && l.Rport == serverPort })
			if len(orphans) != 1 || orphans[0].State != "FIN_WAIT1" || orphans[0].Owner.Provenance != "unknown" || orphans[0].Owner.Note != "orphan" {
				t.Errorf("%d rows, want an orphan in FIN_WAIT1 of nobody: %+v", len(orphans), orphans)
			}
			requests := sift(rows, func(l *line) bool { return l.State == "NEW_SYN_RECV" })
			if len(requests) != 1 || requests[0].Owner.Provenance != "inherited" || requests[0].Owner.PID != uint32(pidOfTest) {
				t.Errorf("%d requests, want one of this process's listener: %+v", len(requests), requests)
			}
		})
	}
}

// fillUp writes until the peer, which reads nothing, takes no more: what is
// written then cannot be sent.
func fillUp(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	err = raw.Control(func(fd uintptr) {
		for {
			if _, err := unix.Write(int(fd), chunk); err != nil {
				return // EAGAIN: Go's sockets do not block
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two processes that listen on one port: which of them a child waits for cannot
// be known from outside, so nobody is named.
func TestChildrenOfSeveralListenersAreNobodys(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	first := inNetns(ns, func() *helper { return startHelper(t, "share", "127.0.0.1:0", "") })
	second := inNetns(ns, func() *helper { return startHelper(t, "share", first.addr, "") })
	if first.addr != second.addr {
		t.Fatalf("%s and %s", first.addr, second.addr)
	}
	port := addrPortOf(t, first.addr)
	ns.Do(func() {
		for range 16 {
			c, err := net.Dial("tcp", first.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	})
	pids := []uint32{first.pid(), second.pid()}
	children := 0
	for _, l := range parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()), "--lport", fmt.Sprint(port))) {
		switch {
		case l.State == "LISTEN":
			if !slices.Contains(pids, l.Owner.PID) {
				t.Errorf("%v: want one of %v", &l, pids)
			}
		case l.Owner.PID != 0 || l.Owner.Provenance != "unknown" || l.Owner.Note != "not_accepted":
			t.Errorf("%v: want nobody, not accepted", &l)
		default:
			children++
		}
	}
	if children != 16 {
		t.Errorf("%d children, want 16", children)
	}
}
