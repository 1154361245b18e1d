package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// cookieOf asks the kernel for a namespace's cookie: 0 if it cannot be asked
// (SO_NETNS_COOKIE came with 5.14), or if it gives programs none.
func cookieOf(t *testing.T, ns *kerneltest.Netns) uint64 {
	t.Helper()
	cookie, err := inNetnsErr(ns, func() (uint64, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		defer func() { _ = unix.Close(fd) }()
		return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	})
	if errors.Is(err, unix.ENOPROTOOPT) && !kerneltest.HasFunc(t, "bpf_get_socket_ptr_cookie") {
		return 0 // namespaces and sockets got theirs in the same version, 5.12
	}
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// Sockets of several network namespaces, there before the start, are found,
// each in its namespace and with its holder.
func TestSocketsOfEveryNamespaceAreFound(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	type room struct {
		ns     *kerneltest.Netns
		helper *helper
		cookie uint64
	}
	var rooms []room
	for range 3 {
		ns := newNetns(t)
		h := inNetns(ns, func() *helper { return startHelper(t, "hold", "127.0.0.1:0", "") })
		rooms = append(rooms, room{ns, h, cookieOf(t, ns)})
	}
	found := parseLines(t, mustOutput(t, "sockets", "-o", "jsonl"))
	args := []string{"trace", "-o", "jsonl"} // of these only: there is no end to what others do
	for _, room := range rooms {
		args = append(args, "--netns", fmt.Sprint(room.ns.Inum()))
	}
	trace := start(t, args...)
	trace.ready(rooms[0].ns)
	for _, room := range rooms {
		listens := addrPortOf(t, room.helper.addr)
		client := addrPortOf(t, room.helper.rest)
		kerneltest.Eventually(t, patience, func() bool {
			return len(sift(trace.lines(), func(l *line) bool {
				return l.Event == "inventory" && l.Netns == room.ns.Inum() && l.between(listens, client)
			})) >= 3
		}, "the sockets of a namespace in trace")
		for what, lines := range map[string][]line{"sockets": found, "trace": trace.lines()} {
			ours := sift(lines, func(l *line) bool { return l.Event == "inventory" && l.Netns == room.ns.Inum() })
			states := map[string]int{}
			for i := range ours {
				l := &ours[i]
				if !l.between(listens, client) {
					continue // of ready
				}
				states[l.State]++
				if l.NetnsCookie != room.cookie || l.Began != "before" {
					t.Errorf("%s: %v: namespace %d, cookie %d, began %s: want cookie %d, before", what, l, l.Netns, l.NetnsCookie, l.Began, room.cookie)
				}
				checkHolder(t, l, room.helper.pid())
			}
			if states["LISTEN"] != 1 || states["ESTABLISHED"] != 2 {
				t.Errorf("%s: found %v in namespace %d", what, states, room.ns.Inum())
			}
		}
	}
	// What such a socket does next is seen, and its past is not invented.
	for _, room := range rooms {
		room.helper.stop()
		end := trace.await(t, func(l *line) bool {
			return l.Event == "closed" && l.Netns == room.ns.Inum() && l.Began == "before" && l.Lport == addrPortOf(t, room.helper.rest)
		}, "the end of a socket that was there")
		if end.Complete {
			t.Errorf("complete, though met mid-life: %v", &end)
		}
	}
	noneImpossible(t, trace.lines())
	trace.interrupt()
}

func addrPortOf(t *testing.T, s string) uint16 {
	t.Helper()
	n, err := strconv.ParseUint(s[strings.LastIndexByte(s, ':')+1:], 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}

// between reports whether a socket is one of a listener's, of its client, or the
// listener. One port alone says nothing: others have as few to choose from.
func (l *line) between(listens, client uint16) bool {
	return l.Lport == listens && (l.Rport == client || l.Rport == 0) || l.Lport == client && l.Rport == listens
}

// checkHolder checks that the owner has the descriptor that the line names.
func checkHolder(t *testing.T, l *line, pid uint32) {
	t.Helper()
	if l.Owner.PID != pid || l.Owner.FD == nil || l.Owner.Provenance != "exact" {
		t.Errorf("owner of %v: want %d, exact, with its fd", l, pid)
		return
	}
	link, err := os.Readlink(filepath.Join("/proc", fmt.Sprint(pid), "fd", fmt.Sprint(*l.Owner.FD)))
	if err != nil || !strings.HasPrefix(link, "socket:[") {
		t.Errorf("fd %d of %d is %s, %v", *l.Owner.FD, pid, link, err)
	}
}

// An inventory has what ss shows before and after it, and nothing else.
func TestSocketsAgreesWithSS(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "4000")      // what comes after those leaves none
	ns.Named(fmt.Sprintf("tcpwatch-e2e-%d", os.Getpid())) // this process's fd alone does not show the way
	furnish(t, ns)
	ns.Do(func() {
		kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(500)})
		kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(500), IPv6: true})
	})
	t.Run("quiet", func(t *testing.T) { agree(t, ns, false) })
	t.Run("churning", func(t *testing.T) {
		rest := keepChurning(t, ns, kerneltest.ChurnOptions{Connections: kerneltest.Load(200), Clients: 1}, 0)
		rounds := 5
		if kerneltest.Guest() != "" {
			rounds = 2
		}
		for range rounds {
			agree(t, ns, true)
		}
		rest()
	})
}

// furnish fills a namespace with sockets in all states that stay.
func furnish(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	ns.Do(func() {
		for _, f := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
			kerneltest.Listen(t, f)
			kerneltest.Pair(t, f)
			client, _ := kerneltest.Pair(t, f)
			if err := client.CloseWrite(); err != nil { // FIN_WAIT2 and CLOSE_WAIT
				t.Fatal(err)
			}
			orphan, _ := kerneltest.Pair(t, f)
			if err := orphan.Close(); err != nil { // a mini-socket in FIN_WAIT2
				t.Fatal(err)
			}
		}
		startHelper(t, "hold", "[::]:0", "") // ss shows its listener as *
	})
	mapped := inNetns(ns, func() *helper { return startHelper(t, "serve", "[::]:0", "") })
	to := fmt.Sprintf("127.0.0.1:%d", addrPortOf(t, mapped.addr))
	c, err := inNetnsErr(ns, func() (net.Conn, error) { return net.DialTimeout("tcp4", to, patience) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	synRecv(t, ns)
}

// synRecv leaves a connection in SYN_RECV at one end and SYN_SENT at the other.
func synRecv(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	var port uint16
	ns.Do(func() { port = addrPortOf(t, kerneltest.Listen(t, kerneltest.IPv4).Addr().String()) })
	ns.Filter(t, "input", fmt.Sprintf("tcp sport %d tcp flags & (syn|ack) == (syn|ack) drop", port))
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}})
		if err != unix.EINPROGRESS {
			t.Fatalf("connect: %v", err)
		}
	})
}

// agree compares an inventory with what ss shows around it.
func agree(t *testing.T, ns *kerneltest.Netns, churning bool) {
	t.Helper()
	before := ssSockets(t, ns)
	found := parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum())))
	after := ssSockets(t, ns)
	ours := map[ssSocket]string{}
	states := map[string]int{}
	for i := range found {
		if found[i].Held {
			continue // ss does not show those
		}
		s := asSS(&found[i])
		if _, twice := ours[s]; twice {
			t.Errorf("found twice: %v", s)
		}
		ours[s] = found[i].Cookie
		states[s.state]++
		if _, ok := before[s]; ok {
			continue
		}
		if _, ok := after[s]; !ok && !(churning && s.state != "TIME-WAIT") {
			t.Errorf("ss does not show %v", s)
		}
	}
	missing := 0
	for s, cookie := range before {
		if after[s] != cookie {
			continue
		}
		if got, ok := ours[s]; !ok || got != cookie {
			missing++
			t.Errorf("ss shows %v with cookie %s; found %v with %s", s, cookie, ok, got)
		}
	}
	for _, state := range []string{"LISTEN", "ESTAB", "FIN-WAIT-2", "CLOSE-WAIT", "TIME-WAIT", "SYN-SENT", "SYN-RECV"} {
		if states[state] == 0 {
			t.Errorf("no socket is in %s: %v", state, states)
		}
	}
	t.Logf("%d found: %v", len(found), states)
}
