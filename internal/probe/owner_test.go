package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// tape is a Sink that keeps the transitions of one namespace.
type tape struct {
	netns uint32
	seen  []events.Event
}

// Observe implements track.Sink.
func (r *tape) Observe(o *track.Observation) {
	if o.Event.Netns == r.netns && o.Event.Kind == events.Transition {
		r.seen = append(r.seen, o.Event)
	}
}

// births returns the births of children whose listener has a port.
func (r *tape) births(port uint16) (born []events.Event) {
	for _, ev := range r.seen {
		if ev.From == model.Listen && ev.To == model.SynRecv && ev.Lport == port {
			born = append(born, ev)
		}
	}
	return born
}

// named runs f on a thread with a name, by which the kernel then knows it.
func named(t *testing.T, name string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const self = "/proc/thread-self/comm"
	before, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name []byte) {
		if err := os.WriteFile(self, name, 0); err != nil {
			t.Fatal(err)
		}
	}
	set([]byte(name))
	defer set(bytes.TrimSpace(before))
	f()
}

// A listener of MPTCP, as Go's net makes them, that listened before the start gives
// a child its owner too, though the child speaks TCP alone. The process that reads
// from it then is known to.
func TestChildInheritsItsMPTCPListenersOwner(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	requireMPTCP(t)
	ns := roomy(t)
	var l net.Listener
	ns.Do(func() { l = listenMPTCP(t) })
	p := load(t, Options{})
	r := &tape{netns: ns.Inum()}
	f := follow(t, p, r)
	<-f.found
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	ns.Do(func() {
		c, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if _, err = c.Write([]byte{1}); err == nil {
			_, err = s.Read(make([]byte, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	f.stop(t)
	born := r.births(port)
	if len(born) != 1 || !born[0].Has(model.Inherited) || born[0].PID != uint32(os.Getpid()) || commOf(&born[0]) != readComm(t) {
		t.Fatalf("births %+v, want one that inherits pid %d", born, os.Getpid())
	}
	want := events.ProvenanceExact
	if !p.Features.Has(SkStorage) {
		want = events.ProvenanceInherited // which p.Losses says
	}
	accepted := 0
	for _, row := range f.table.Rows(nil) {
		if row.Netns != ns.Inum() || row.Lport != port || row.State != model.Established {
			continue
		}
		if accepted++; row.Owner.Provenance != want {
			t.Errorf("after the first read: %v, want %v", row.Owner, want)
		}
	}
	if accepted != 1 {
		t.Errorf("%d accepted sockets, want 1", accepted)
	}
}

// Of three listeners, two of which listened before the start, each child
// inherits the owner of its own: from the first transition on.
func TestChildInheritsItsListenersOwner(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := roomy(t)
			listen := func(name string) (l *net.TCPListener) {
				ns.Do(func() { named(t, name, func() { l = kerneltest.Listen(t, family) }) })
				return l
			}
			older := []*net.TCPListener{listen("older1"), listen("older2")}
			p := load(t, Options{})
			r := &tape{netns: ns.Inum()}
			f := follow(t, p, r)
			<-f.found
			listeners := append(older, listen("younger"))
			for _, l := range listeners {
				ns.Do(func() { connectTo(t, l) })
			}
			f.stop(t)
			own := readComm(t)
			for i, name := range []string{own, own, "younger"} { // the holder of an fd is a process
				port := uint16(listeners[i].Addr().(*net.TCPAddr).Port)
				born := r.births(port)
				if len(born) != 1 {
					t.Fatalf("%d children of port %d, want 1", len(born), port)
				}
				ev := born[0]
				if !ev.Has(model.Inherited) || ev.PID != uint32(os.Getpid()) || commOf(&ev) != name {
					t.Errorf("child of port %d inherits (%v) %d %q, want %d %q",
						port, ev.Has(model.Inherited), ev.PID, commOf(&ev), os.Getpid(), name)
				}
			}
		})
	}
}

func commOf(ev *events.Event) string { return string(bytes.TrimRight(ev.Comm[:], "\x00")) }

// readComm returns the name of this process.
func readComm(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:len(b)-1])
}

// connectTo makes one connection, and closes both ends.
func connectTo(t *testing.T, l *net.TCPListener) {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// A child that one process accepts and another reads from belongs to the reader,
// once it has read; until then, and if nothing comes, to the listener's.
func TestFirstReadNamesTheReader(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	p := load(t, Options{NoInventory: true}) // no fd tells
	f := follow(t, p, &tape{netns: ns.Inum()})
	<-f.found
	read, unread := startReader(t, ns), startReader(t, ns)
	read.say(t)
	f.stop(t)
	want := map[uint16]events.Owner{
		read.port:   {PID: uint32(read.cat.Process.Pid), Provenance: events.ProvenanceExact},
		unread.port: {PID: uint32(os.Getpid()), Provenance: events.ProvenanceInherited},
	}
	if !p.Features.Has(SkStorage) {
		want[read.port] = want[unread.port] // which p.Losses says
	}
	for _, row := range f.table.Rows(nil) {
		w, ok := want[row.Lport]
		if !ok || row.Netns != ns.Inum() || row.State != model.Established {
			continue
		}
		delete(want, row.Lport)
		if row.Owner.PID != w.PID || row.Owner.Provenance != w.Provenance {
			t.Errorf("port %d belongs to %d (%v), want %d (%v)", row.Lport, row.Owner.PID, row.Owner.Provenance, w.PID, w.Provenance)
		}
	}
	for port := range want {
		t.Errorf("no child of port %d", port)
	}
}

// What a process and its descendants do is marked, and nothing else.
func TestDescendantsAreMarked(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	other := startReader(t, ns)
	for name, c := range map[string]struct {
		ancestor uint32
		want     bool
	}{
		"nobody":         {0, false},
		"this process":   {uint32(os.Getpid()), true},
		"its parent":     {uint32(os.Getppid()), true},
		"a child of its": {uint32(other.cat.Process.Pid), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t, Options{NoInventory: true, Ancestor: c.ancestor})
			want := c.want && p.Features.Has(TaskBTF) // 5.11
			r := &tape{netns: ns.Inum()}
			f := follow(t, p, r)
			<-f.found
			ns.Do(func() { connectTo(t, kerneltest.Listen(t, kerneltest.IPv4)) })
			f.stop(t)
			acted := 0
			for _, ev := range r.seen {
				if !ev.Has(model.Owned) && !ev.Has(model.Inherited) {
					continue
				}
				acted++
				if ev.Has(model.Descendant) != want {
					t.Errorf("%s>%s by %d is marked: %v", ev.From, ev.To, ev.PID, !want)
				}
			}
			if acted < 4 { // listen, connect, the child, close
				t.Errorf("%d events of %+v", acted, r.seen)
			}
		})
	}
}

// reader is a process with an accepted socket as its stdin.
type reader struct {
	port   uint16
	client *net.TCPConn
	cat    *exec.Cmd
	echo   io.Reader
}

func startReader(t *testing.T, ns *kerneltest.Netns) (r reader) {
	t.Helper()
	var server *net.TCPConn
	ns.Do(func() { r.client, server = kerneltest.Pair(t, kerneltest.IPv4) })
	r.port = uint16(server.LocalAddr().(*net.TCPAddr).Port)
	file, err := server.File()
	if err == nil {
		err = syscall.SetNonblock(int(file.Fd()), false)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.cat = exec.Command("/bin/cat")
	r.cat.Stdin = file
	if r.echo, err = r.cat.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.cat.Start(), file.Close(), server.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.client.Close(), r.cat.Wait()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// say sends a byte and waits until the process has passed it on.
func (r *reader) say(t *testing.T) {
	t.Helper()
	if _, err := r.client.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r.echo, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// The inventory names every fd that holds a TCP socket, with its process, and
// no fd of anything else.
func TestHoldersAreTheFilesOfSockets(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	want := map[int]string{} // by fd
	ns.Do(func() {
		for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
			l := kerneltest.Listen(t, family)
			client, server := kerneltest.Pair(t, family)
			want[fdOf(t, l)] = fmt.Sprint("LISTEN ", l.Addr())
			want[fdOf(t, client)] = fmt.Sprint("ESTABLISHED ", client.LocalAddr())
			want[fdOf(t, server)] = fmt.Sprint("ESTABLISHED ", server.LocalAddr())
		}
	})
	decoys(t, ns)
	p := load(t, Options{InventoryOnly: true})
	snapshot := p.Snapshot(context.Background())
	defer snapshot.Close()
	got := map[int]string{}
	for {
		var ev events.Event
		err := snapshot.Next(&ev)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == events.Holder && ev.Netns == ns.Inum() {
			if ev.PID != uint32(os.Getpid()) || commOf(&ev) != readComm(t) {
				t.Errorf("fd %d is of %d %q", ev.FD(), ev.PID, commOf(&ev))
			}
			local := net.TCPAddr{IP: events.Addr(ev.Family, &ev.Saddr).AsSlice(), Port: int(ev.Lport)}
			got[int(ev.FD())] = fmt.Sprint(ev.To, " ", &local)
		}
	}
	for fd, socket := range want {
		if got[fd] != socket {
			t.Errorf("fd %d holds %q, want %q", fd, got[fd], socket)
		}
	}
	for fd, socket := range got {
		if want[fd] == "" {
			t.Errorf("fd %d is said to hold %s", fd, socket)
		}
	}
}

func fdOf(t *testing.T, c syscall.Conn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// decoys opens files that are sockets, but not of TCP, and a path to a socket.
func decoys(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ns.Do(func() {
		u, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = u.Close() })
		d, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
	})
	ns.Do(func() { // has TCP's protocol number, and is no TCP socket
		raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(raw) })
	})
	fd, err := unix.Open(path, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
}

// With each substitute in place of the kernel's own way, owners are the same.
func TestSubstitutesFindTheSameOwners(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	var listener *net.TCPListener
	ns.Do(func() { listener = kerneltest.Listen(t, kerneltest.IPv4) })
	lacking := map[string][]Feature{
		"none": nil, "socket storage": {SkStorage}, "sockets of files too": {SockFromFile, SkStorage},
		"all that Linux 5.10 lacks": {SockFromFile, SkStorage, TaskBTF, CookieHelper, NetnsCookie, BatchedIter, SkipsNested},
	}
	for name, without := range lacking {
		t.Run(name, func(t *testing.T) {
			p := load(t, Options{without: func(f *Features) {
				for _, which := range without {
					f.Answers[which] = No
				}
			}})
			r := &tape{netns: ns.Inum()}
			f := follow(t, p, r)
			<-f.found
			ns.Do(func() { connectTo(t, listener) })
			f.stop(t)
			born := r.births(uint16(listener.Addr().(*net.TCPAddr).Port))
			if len(born) != 1 || !born[0].Has(model.Inherited) || born[0].PID != uint32(os.Getpid()) {
				t.Fatalf("births %+v, want one that inherits pid %d", born, os.Getpid())
			}
			if !slices.ContainsFunc(r.seen, func(ev events.Event) bool {
				return ev.To == model.SynSent && ev.Has(model.Owned) && ev.PID == uint32(os.Getpid())
			}) {
				t.Errorf("no connect by pid %d in %+v", os.Getpid(), r.seen)
			}
		})
	}
}

// Where listeners are remembered by their address, one that comes during the
// watch gives its children their owner, and is forgotten when it ends: its
// address may be another's then.
func TestListenersAreForgotten(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	p := load(t, Options{NoInventory: true, without: func(f *Features) { f.Answers[SkStorage] = No }})
	r := &tape{netns: ns.Inum()}
	f := follow(t, p, r)
	var listener *net.TCPListener
	ns.Do(func() {
		listener = kerneltest.Listen(t, kerneltest.IPv4)
		connectTo(t, listener)
	})
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	f.stop(t)
	if born := r.births(port); len(born) != 1 || !born[0].Has(model.Inherited) || born[0].PID != uint32(os.Getpid()) {
		t.Errorf("births %+v, want one that inherits pid %d", born, os.Getpid())
	}
	for _, ev := range r.seen {
		if ev.To == model.Listen && ev.Lport == port {
			kerneltest.Eventually(t, patience, func() bool { // memory is freed after a grace period
				var owner [32]byte
				return errors.Is(p.coll.Maps[bpf.TcpwatchMapListeners].Lookup(ev.SK, &owner), ebpf.ErrKeyNotExist)
			}, "the listener to be forgotten")
			return
		}
	}
	t.Error("nobody was seen to listen")
}
