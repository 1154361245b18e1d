package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// toldEnd is what a line of a life's end says, but for times and the number of the
// life, which two watches count for themselves: id is its socket, as far as the kernel
// tells, and its ports.
func toldEnd(t *testing.T, row []byte) (id, text string) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(row, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"time", "mono_ns", "socket", "duration_ns", "sequence"} { // steps that were kept have no numbers
		delete(fields, name)
	}
	history, _ := fields["history"].([]any)
	for _, step := range history {
		delete(step.(map[string]any), "ns")
	}
	if owner, ok := fields["owner"].(map[string]any); ok {
		delete(owner, "fd") // which an inventory finds
	}
	if evidence, ok := fields["evidence"].(map[string]any); ok {
		flags, _ := evidence["flags"].([]any) // which copy of the program saw it is no matter of the socket's
		evidence["flags"] = slices.DeleteFunc(flags, func(flag any) bool { return flag == "rescued" })
	}
	clean, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(fields["cookie"], " ", fields["lport"], " ", fields["rport"]), string(clean)
}

// ends returns what was told of the lives of a namespace's sockets, by toldEnd's id.
func ends(t *testing.T, r *run) map[string]string {
	t.Helper()
	all := map[string]string{}
	for row := range bytes.Lines(r.stdout()) {
		if bytes.Contains(row, []byte(`"event":"closed"`)) && bytes.Contains(row, []byte(`"began":"seen"`)) {
			id, text := toldEnd(t, row)
			all[id] = text
		}
	}
	return all
}

// A history that the kernel kept is the one that its events tell, for each end.
func TestSummarySaysTheSame(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	netns := fmt.Sprint(ns.Inum())
	events := start(t, "history", "-o", "jsonl", "--netns", netns)
	summary := start(t, "history", "--summary", "-o", "jsonl", "--netns", netns)
	probing := func(r *run) func() bool {
		return func() bool {
			ns.Do(func() { refused() })
			return len(ends(t, r)) > 0
		}
	}
	kerneltest.Eventually(t, patience, probing(events), "the first end")
	kerneltest.Eventually(t, patience, probing(summary), "the first end, summed up")
	made := 0
	ns.Do(func() {
		for _, o := range []kerneltest.ChurnOptions{
			{Connections: kerneltest.Load(500)}, {Connections: kerneltest.Load(500), Reset: true},
			{Connections: kerneltest.Load(500), IPv6: true}, {Connections: kerneltest.Load(500), IPv6: true, Reset: true},
		} {
			c := kerneltest.Churn(t, o)
			made += 2*c.Connections + len(c.Ports)
		}
		refused()
		made += again(t)
		client, server := kerneltest.Pair(t, kerneltest.IPv4)
		if _, err := client.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
	})
	var want, got map[string]string
	kerneltest.AwaitNoError(t, patience, func() error {
		want, got = ends(t, events), ends(t, summary)
		for id := range want {
			if got[id] == "" && len(got) < made {
				return fmt.Errorf("%d ends are summed up, of %d", len(got), made)
			}
		}
		if len(want) < made {
			return fmt.Errorf("%d ends, of %d", len(want), made)
		}
		return nil
	}, "all ends")
	summary.interrupt()
	events.interrupt()
	want, got = ends(t, events), ends(t, summary)
	differ := 0
	for id, text := range got {
		whole := strings.Contains(text, `"complete":true`) && strings.Contains(want[id], `"complete":true`)
		if whole && prompt(want[id]) != prompt(text) { // else one of the two lost an event, and says so
			if differ++; differ <= 3 {
				t.Errorf("summed up:\n%s\nby its events:\n%s", text, want[id])
			}
		}
	}
	if differ > 0 || len(got) < made {
		t.Errorf("%d of %d differ; %d sockets were made", differ, len(got), made)
	}
}

var lateRST = regexp.MustCompile(`( Seen:)?,? RST sent in \w+\.?`)

// prompt leaves out an RST, which on a slow machine may be sent later than an end is
// waited for; the kernel's history has it all the same.
func prompt(line string) string { return lateRST.ReplaceAllString(line, "") }

// again connects one socket three times, to listeners of its own each time, and returns
// how many lives that were.
func again(t *testing.T) (lives int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const times = 3
	for range times {
		l := kerneltest.Listen(t, kerneltest.IPv4)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		unspecified := unix.RawSockaddrInet4{Family: unix.AF_UNSPEC} // package unix has no type for it
		if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspecified)), unsafe.Sizeof(unspecified)); errno != 0 {
			t.Fatal(errno)
		}
		if err := errors.Join(server.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return 3 * times
}

// refused makes a connection that nobody takes.
func refused() {
	if c, err := net.Dial("tcp", "127.0.0.1:9"); err == nil {
		_ = c.Close()
	}
}

// A record that finds no room is one life less, and is counted; those that are told
// of are whole.
func TestSummaryCountsWhatItLoses(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	r := start(t, "history", "--summary", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()), "--ring-size", fmt.Sprint(os.Getpagesize()))
	kerneltest.Eventually(t, patience, func() bool {
		ns.Do(func() { refused() })
		return len(ends(t, r)) > 0
	}, "the first end")
	signal := func(s os.Signal) {
		if err := r.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP) // so that nobody reads the ring
	ns.Do(func() { kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: 100}) })
	signal(syscall.SIGCONT)
	r.interrupt()
	lost := lostOf(r.lines())
	if lost == 0 {
		t.Error("nothing was lost in a ring of one page")
	}
	if nested := sift(r.lines(), func(l *line) bool { return l.Event == "lost" && l.Where != "ring" }); len(nested) > 0 {
		return // lives that had begun by then are in doubt, and say so
	}
	for _, text := range ends(t, r) {
		if !bytes.Contains([]byte(text), []byte(`"complete":true`)) {
			t.Errorf("told in part: %s", text)
			break
		}
	}
}
