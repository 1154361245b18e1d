package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// meeting is a connection from this process to a helper's.
type meeting struct {
	name           string
	client, server netip.AddrPort // as each end has them
	serverSees     netip.AddrPort // the client
	listens        netip.AddrPort
	helper         *helper
	cookies        map[ssSocket]string // while established
	lives          []kerneltest.Life   // as witnessed
}

// meet connects to a helper, sends, and closes, first this end.
func meet(t *testing.T, ns *kerneltest.Netns, name, listen, network string, to func(netip.AddrPort) string) meeting {
	t.Helper()
	m := meeting{name: name}
	m.helper = inNetns(ns, func() *helper { return startHelper(t, "serve", listen, "") })
	m.listens = netip.MustParseAddrPort(m.helper.addr)
	dialer := net.Dialer{Timeout: patience}
	dialer.SetMultipathTCP(false)
	c, err := inNetnsErr(ns, func() (net.Conn, error) { return dialer.Dial(network, to(m.listens)) })
	if err != nil {
		t.Fatal(err)
	}
	m.cookies = ssSockets(t, ns)
	for s := range m.cookies {
		if s.state == "ESTAB" && s.local.Port() == m.listens.Port() {
			m.server, m.serverSees = s.local, s.remote
		}
		if s.state == "ESTAB" && s.remote.Port() == m.listens.Port() {
			m.client = s.local
		}
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if said := m.helper.next(); !strings.HasPrefix(said, "closed ") {
		t.Fatalf("the helper says %q", said)
	}
	return m
}

func inNetnsErr[T any](ns *kerneltest.Netns, f func() (T, error)) (v T, err error) {
	ns.Do(func() { v, err = f() })
	return v, err
}

// One connection, from birth to the end, is told of exactly as the kernel's own
// tracing and ss have it.
func TestTraceTellsOneConnection(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
	r := start(t, "trace", "-o", "json", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	same := netip.AddrPort.String
	mapped := func(a netip.AddrPort) string { return fmt.Sprintf("127.0.0.1:%d", a.Port()) }
	meetings := []meeting{
		meet(t, ns, "IPv4", "127.0.0.1:0", "tcp4", same),
		meet(t, ns, "IPv6", "[::1]:0", "tcp6", same),
		meet(t, ns, "v4-mapped", "[::]:0", "tcp4", mapped),
	}
	r.interrupt()
	lines, lives := r.lines(), kerneltest.Lives(w.Events())
	for _, m := range meetings {
		t.Run(m.name, func(t *testing.T) { m.check(t, lines, lives) })
	}
	if !strings.Contains(r.stderr(), "complete") && !strings.Contains(r.stderr(), "lost") {
		t.Errorf("no summary: %s", r.stderr())
	}
}

// check compares what was printed of a meeting with what was witnessed.
func (m *meeting) check(t *testing.T, lines []line, lives []kerneltest.Life) {
	m.lives = lives
	port := m.listens.Port()
	ours := m.ours(sift(lines, func(l *line) bool { return l.involves(port) }))
	want := map[string]int{}
	for _, l := range lives {
		client := m.client.Port()
		if l.Sport == port && l.Dport == client || l.Sport == client && l.Dport == port {
			want[l.Path()]++
		}
	}
	got := map[string]int{}
	sockets := bySocket(ours)
	for _, life := range sockets {
		if life[0].Role != "listener" {
			got[path(life)]++
		}
		m.checkLife(t, life)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(want) != 2 {
		t.Errorf("printed %v, witnessed %v", got, want)
	}
	m.checkCookies(t, ours)
}

// ours returns the lines of the sockets of the meeting, of those about its port:
// another family's may have the same.
func (m *meeting) ours(lines []line) (ours []line) {
	for _, life := range bySocket(lines) {
		if slices.ContainsFunc(life, func(l line) bool { return l.involves(m.client.Port()) || l.local() == m.listens }) {
			ours = append(ours, life...)
		}
	}
	return ours
}

// path returns the states that a socket went through by its transitions.
func path(life []line) string {
	s := ""
	for i := range life {
		if life[i].Event != "transition" {
			continue
		}
		if s == "" {
			s = life[i].From
		}
		s += ">" + life[i].To
	}
	return s
}

func (m *meeting) checkLife(t *testing.T, life []line) {
	t.Helper()
	lport, rport, closed := uint16(0), uint16(0), 0
	for i := range life {
		l := &life[i]
		if l.Lport == 0 && lport != 0 || l.Rport == 0 && rport != 0 {
			t.Errorf("a known port is 0: %v", l)
		}
		lport, rport = l.Lport, l.Rport
		begins := l.Event == "time_wait" && l.End == "" // and says nothing of itself yet
		if l.Verdict != "normal" && !begins {
			t.Errorf("not normal: %v: %s", l, l.Why)
		}
		if l.Event == "closed" {
			closed++
			if l.CloseReason != "fin" || !l.Complete {
				t.Errorf("closed by %s, complete %v", l.CloseReason, l.Complete)
			}
		}
		m.checkEnds(t, l, i == 0)
		m.checkPeople(t, l)
	}
	if role := life[len(life)-1].Role; closed != 1 && role != "listener" {
		t.Errorf("%d lines closed of %v", closed, &life[0])
	}
}

// checkEnds checks addresses and ports; the first line of a client has no local
// ones yet.
func (m *meeting) checkEnds(t *testing.T, l *line, first bool) {
	t.Helper()
	switch l.Role {
	case "active":
		if l.remote().Port() != m.listens.Port() || !first && l.local() != m.client {
			t.Errorf("client %v: want %v", l, m.client)
		}
	case "passive":
		if m.newborn(l) {
			return
		}
		if l.local() != m.server || l.remote() != m.serverSees {
			t.Errorf("server %v: want %v>%v", l, m.server, m.serverSees)
		}
	case "listener":
		if l.local() != m.listens {
			t.Errorf("listener %v: want %v", l, m.listens)
		}
	default:
		t.Errorf("role %s of %v", l.Role, l)
	}
}

// newborn reports whether a line is of the birth of a child of which the kernel
// itself does not know the peer yet, as up to 6.14: the witness says so.
func (m *meeting) newborn(l *line) bool {
	if l.From != "LISTEN" || l.Rport != 0 {
		return false
	}
	for _, life := range m.lives {
		for _, e := range life.Events {
			if e.Old == "LISTEN" && e.New == "SYN_RECV" && e.Sport == l.Lport && e.Dport == 0 {
				return true
			}
		}
	}
	return false
}

// checkPeople checks that nobody is taken for the other.
func (m *meeting) checkPeople(t *testing.T, l *line) {
	t.Helper()
	pid, provenance := uint32(pidOfTest), "exact"
	if l.Role != "active" {
		pid = m.helper.pid()
	}
	switch {
	case l.Role != "passive" || l.Event == "closed":
	case l.To == "CLOSE_WAIT" && l.Owner.Provenance == "exact": // it has read before the FIN came
	case l.To != "LAST_ACK" && l.From != "LAST_ACK":
		provenance = "inherited"
	}
	if l.Owner.PID != pid || l.Owner.Provenance != provenance {
		t.Errorf("owner of %v: want %s %d", l, provenance, pid)
	}
	if l.Actor != nil && l.Actor.PID != pid {
		t.Errorf("actor %+v of %v: want %d", *l.Actor, l, pid)
	}
	acted := slices.Contains([]string{"SYN_SENT", "LISTEN", "FIN_WAIT1", "LAST_ACK"}, l.To)
	if acted && l.Actor == nil {
		t.Errorf("nobody did %v", l)
	}
}

// checkCookies compares the cookies with those of ss.
func (m *meeting) checkCookies(t *testing.T, ours []line) {
	t.Helper()
	noHelper := !kerneltest.HasFunc(t, "bpf_get_socket_ptr_cookie")
	for _, end := range []ssSocket{
		{"ESTAB", m.client, netip.AddrPortFrom(m.remoteOfClient(), m.listens.Port())},
		{"ESTAB", m.server, m.serverSees},
	} {
		want := m.cookies[end]
		if want == "" {
			t.Errorf("ss shows no %v among %v", end, m.cookies)
		}
		of := sift(ours, func(l *line) bool { return l.local() == end.local && l.remote() == end.remote })
		for i := range of {
			// Without the helper a cookie is known once ss has asked for it.
			early := noHelper && slices.Contains([]string{"SYN_SENT", "SYN_RECV", "ESTABLISHED"}, of[i].To)
			if of[i].Cookie != want && !(of[i].Cookie == "" && early) {
				t.Errorf("cookie %s of %v, ss has %s", of[i].Cookie, &of[i], want)
			}
		}
		if len(of) == 0 {
			t.Errorf("nothing printed of %v", end)
		}
	}
}

// remoteOfClient is the address that the client connected to: the server's, as
// the client's family has it.
func (m *meeting) remoteOfClient() netip.Addr {
	if m.client.Addr().Is4() {
		return m.server.Addr().Unmap()
	}
	return m.server.Addr()
}
