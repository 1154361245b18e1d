package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// An owner changes only by listen, connect, shutdown, close or an fd seen.
func TestOwner(t *testing.T) {
	const nobody, inherited, exact, kernel = events.ProvenanceUnknown, events.ProvenanceInherited, events.ProvenanceExact, events.ProvenanceKernel
	cases := []struct {
		name string
		play func(*script)
		pid  uint32
		fd   int32
		comm [16]byte
		how  events.Provenance
	}{
		{"connect", func(s *script) { s.socket(1).to(synSent, established) }, 100, -1, curl, exact},
		{"listen", func(s *script) { s.socket(1).to(listen) }, 100, -1, curl, exact},
		{"born of a listener", func(s *script) { s.child(1).to(synRecv, established) }, 80, -1, nginx, inherited},
		{"inherited, then closed by a worker", func(s *script) {
			s.child(1).to(synRecv, established).step(finWait1, as(81, nginx))
		}, 81, -1, nginx, exact},
		{"inherited, then an fd", func(s *script) {
			k := s.child(1).to(synRecv, established)
			k.fd(7, as(82, nginx))
		}, 82, 7, nginx, exact},
		{"an fd, then another: the first stays", func(s *script) {
			k := s.child(1).to(synRecv, established)
			k.fd(7, as(82, nginx))
			k.fd(8, as(83, nginx))
		}, 82, 7, nginx, exact},
		{"an fd, then close() by the same process", func(s *script) {
			k := s.child(1).to(synRecv, established)
			k.fd(7, as(82, nginx))
			k.step(finWait1, as(82, nginx))
		}, 82, 7, nginx, exact},
		{"an fd, then close() by another process", func(s *script) {
			k := s.child(1).to(synRecv, established)
			k.fd(7, as(82, nginx))
			k.step(finWait1, as(84, nginx))
		}, 84, -1, nginx, exact},
		{"close() after shutdown(), by another process", func(s *script) {
			s.socket(1).to(synSent, established, finWait1).step(finWait1, as(7, nginx))
		}, 7, -1, nginx, exact},
		{"close() with linger 0", func(s *script) {
			s.child(1).to(synRecv, established).step(closeState, plus(model.Owned|model.Linger0), as(81, nginx))
		}, 81, -1, nginx, exact},
		{"ss -K of a connection", func(s *script) {
			s.socket(1).to(synSent, established).step(closeState, plus(model.Owned), errno(103), as(7, ss))
		}, 100, -1, curl, exact},
		{"ss -K of a listener", func(s *script) {
			k := s.socket(1).to(listen).step(closeState, shutdown(0), as(7, ss))
			k.step(closeState, plus(model.Owned), errno(103), shutdown(0), as(7, ss))
		}, 100, -1, curl, exact},
		{"a kernel thread in a system call", func(s *script) {
			s.socket(1).step(synSent, plus(model.KThread), as(9, name("kworker")))
		}, 0, -1, [16]byte{}, nobody},
		{"a socket of the kernel's own", func(s *script) {
			s.socket(1).step(synSent, plus(model.Kernel), as(9, name("kworker")))
		}, 0, -1, [16]byte{}, kernel},
		{"a socket of the kernel's own that somebody seems to hold", func(s *script) {
			k := s.socket(1).step(synSent, plus(model.Kernel), as(9, name("kworker")))
			k.fd(3, as(10, curl))
		}, 0, -1, [16]byte{}, kernel},
		{"the backlog of connect() on loopback acts, and is not the owner", func(s *script) {
			s.child(1).to(synRecv).step(established, plus(model.Owned), as(100, curl))
		}, 80, -1, nginx, inherited},
		{"softirq interrupts a stranger", func(s *script) {
			k := s.socket(1)
			k.st = established
			k.step(closeWait, as(55, ss))
		}, 0, -1, [16]byte{}, nobody},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, Options{})
			c.play(s)
			want := events.Owner{PID: c.pid, FD: c.fd, Comm: c.comm, Provenance: c.how}
			got := s.table.lookup(1).Owner
			if got.Seen == 0 && c.how == exact {
				t.Error("the owner was never seen")
			}
			got.Seen = 0 // see TestOwnerSeen
			if got != want {
				t.Errorf("owner %+v, want %+v", got, want)
			}
		})
	}
}
