// Package filter decides which lines and rows a user asked for: the filter
// flags and the FILTER expression, together.
package filter

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Flags are the filter flags as the user typed them. Values of one flag are
// alternatives; different flags must all match.
type Flags struct {
	Port, Lport, Rport []string
	Addr               []string
	State              []string
	PID                []string
	Comm               []string
	Netns              []string
	Container          []string
	Abnormal           bool
	NoSelf             bool // leave out what the watching process itself owns
}

// Filter is a question about a socket or a line. The zero value says yes. It
// is not safe for concurrent use.
type Filter struct {
	// ResetReason names the kernel's enum sk_rst_reason; nil names none.
	ResetReason func(uint32) string
	// Process tells what is known of the owner of a row; nil if nothing is.
	Process func(*events.Owner) *events.Process
	// Self is the process whose sockets NoSelf leaves out; 0 for none.
	Self uint32
	// Now is the time of rows, in ns since boot, for how long they have been in
	// their state; nil if that is not asked.
	Now func() uint64

	port, lport, rport []uint16
	addr               []netip.Prefix
	state              []model.State
	pid                []uint32
	comm               []string
	netns              []uint32
	container          []string
	abnormal           bool
	noSelf             bool
	expression         *Expression
	asksNothing        bool // of anything above: every line will do
}

// New compiles flags and an expression, which may be empty. netnsByName finds
// a namespace that --netns names; numbers are inode numbers.
func New(flags Flags, expression string, netnsByName func(string) (uint32, error)) (*Filter, error) {
	f := &Filter{comm: flags.Comm, container: flags.Container, abnormal: flags.Abnormal, noSelf: flags.NoSelf}
	var err error
	for _, p := range []struct {
		flag  string
		words []string
		to    *[]uint16
	}{{"port", flags.Port, &f.port}, {"lport", flags.Lport, &f.lport}, {"rport", flags.Rport, &f.rport}} {
		if *p.to, err = parseAll(p.flag, p.words, parsePort); err != nil {
			return nil, err
		}
	}
	if f.addr, err = parseAll("addr", flags.Addr, ParsePrefix); err != nil {
		return nil, err
	}
	if f.state, err = parseAll("state", flags.State, parseState); err != nil {
		return nil, err
	}
	if f.pid, err = parseAll("pid", flags.PID, parsePID); err != nil {
		return nil, err
	}
	for _, pattern := range f.comm {
		// A name with an escape is meant as it is printed, not as a glob.
		if _, err := path.Match(pattern, ""); err != nil && !strings.Contains(pattern, `\`) {
			return nil, fmt.Errorf("parse --comm %q: %w", pattern, err)
		}
	}
	if f.netns, err = parseAll("netns", flags.Netns, func(s string) (uint32, error) {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil {
			return uint32(n), nil
		}
		return netnsByName(s)
	}); err != nil {
		return nil, err
	}
	if expression != "" {
		f.expression, err = Compile(expression)
	}
	lists := len(f.port) + len(f.lport) + len(f.rport) + len(f.addr) + len(f.state) + len(f.pid) + len(f.comm) + len(f.netns) + len(f.container)
	f.asksNothing = lists == 0 && !f.abnormal && !f.noSelf && expression == ""
	return f, err
}

func parseAll[T any](flag string, words []string, parse func(string) (T, error)) (all []T, err error) {
	for _, w := range words {
		v, err := parse(w)
		if err != nil {
			return nil, fmt.Errorf("parse --%s %q: %w", flag, w, err)
		}
		all = append(all, v)
	}
	return all, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("want a port from 0 to 65535")
	}
	return uint16(n), nil
}

func parsePID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("want a process id")
	}
	return uint32(n), nil
}

func parseState(s string) (model.State, error) {
	state, ok := model.ParseState(s)
	if !ok {
		return 0, fmt.Errorf("want a TCP state%s", didYouMeanState(s))
	}
	return state, nil
}

// ParsePrefix reads an address or a network in CIDR form.
func ParsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("want an address or a network such as 10.0.0.0/8")
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("want an address or a network such as 10.0.0.0/8")
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// subject is what the flags ask about.
type subject struct {
	family       events.Family
	laddr, raddr *[16]byte
	lport, rport uint16
	netns        uint32
	owner        *events.Owner
	process      *events.Process
	verdict      model.Verdict
	from, to     model.State
}

// AsksNothing reports whether every line and row will do.
func (f *Filter) AsksNothing() bool { return f.asksNothing }

// Match reports whether the user asked for this line. Losses are always shown:
// a hole in the stream is a hole in any part of it.
func (f *Filter) Match(o *track.Observation) bool {
	if f.asksNothing || o.Event.Kind == events.Lost {
		return true
	}
	if s := subjectOf(o); !f.flagsMatch(&s) {
		return false
	}
	if f.expression == nil {
		return true
	}
	f.expression.fields.of(o, f.ResetReason)
	return f.expression.run()
}

// MayMatch reports whether Match may say yes: it asks what is cheap to ask, for
// each line of a busy host, and allocates nothing. It is safe for concurrent use.
func (f *Filter) MayMatch(o *track.Observation) bool {
	if f.asksNothing || o.Event.Kind == events.Lost {
		return true
	}
	s := subjectOf(o)
	return f.cheapMatch(&s)
}

func subjectOf(o *track.Observation) subject {
	ev := &o.Event
	from := ev.From
	if ev.Kind != events.Transition {
		from = ev.To
	}
	return subject{
		ev.Family, &ev.Saddr, &ev.Daddr, ev.Lport, ev.Rport, ev.Netns, &o.Owner, o.Process, o.Judgement.Verdict, from, ev.To,
	}
}

// MatchRow reports whether the user asked for this row.
func (f *Filter) MatchRow(r *track.Row) bool {
	if f.asksNothing {
		return true
	}
	var p *events.Process
	if f.Process != nil && f.AsksProcess() {
		p = f.Process(&r.Owner)
	}
	if !f.flagsMatch(&subject{
		r.Family, &r.Saddr, &r.Daddr, r.Lport, r.Rport, r.Netns, &r.Owner, p, r.Verdict, r.State, r.State,
	}) {
		return false
	}
	if f.expression == nil {
		return true
	}
	f.expression.fields.ofRow(r, p, f.Now)
	return f.expression.run()
}

func (f *Filter) flagsMatch(s *subject) bool {
	return f.cheapMatch(s) && f.commMatches(s) && f.containerMatches(s)
}

func (f *Filter) cheapMatch(s *subject) bool {
	return anyOf(f.port, func(p uint16) bool { return p == s.lport || p == s.rport }) &&
		anyOf(f.lport, func(p uint16) bool { return p == s.lport }) &&
		anyOf(f.rport, func(p uint16) bool { return p == s.rport }) &&
		anyOf(f.state, func(st model.State) bool { return st == s.from || st == s.to }) &&
		anyOf(f.pid, func(pid uint32) bool { return pid == s.owner.PID }) &&
		anyOf(f.netns, func(n uint32) bool { return n == s.netns }) &&
		(!f.abnormal || s.verdict >= model.Abnormal) &&
		!(f.noSelf && f.Self != 0 && s.owner.Named() && s.owner.PID == f.Self) &&
		f.addrMatches(s)
}

// anyOf is true for no wishes at all.
func anyOf[T any](wishes []T, ok func(T) bool) bool {
	return len(wishes) == 0 || slices.ContainsFunc(wishes, ok)
}

func (f *Filter) addrMatches(s *subject) bool {
	if len(f.addr) == 0 {
		return true
	}
	l, r := events.Addr(s.family, s.laddr).Unmap(), events.Addr(s.family, s.raddr).Unmap()
	return anyOf(f.addr, func(p netip.Prefix) bool { return p.Contains(l) || p.Contains(r) })
}

func (f *Filter) commMatches(s *subject) bool {
	if len(f.comm) == 0 {
		return true
	}
	comm := printable.Comm(&s.owner.Comm)
	return anyOf(f.comm, func(pattern string) bool {
		ok, _ := path.Match(pattern, comm)
		return ok || pattern == comm
	})
}

// containerMatches compares as docker does, by the first digits of an id, or by
// the name.
func (f *Filter) containerMatches(s *subject) bool {
	if len(f.container) == 0 {
		return true
	}
	if s.process == nil || s.process.Container == "" || !s.owner.Named() {
		return false
	}
	c := s.process.Container
	return anyOf(f.container, func(wish string) bool {
		ok, _ := path.Match(wish, c)
		return ok || c == wish || len(wish) >= minContainer && cgroup.Short(c) != c && strings.HasPrefix(c, wish)
	})
}

// minContainer is how many digits of an id are enough to mean it.
const minContainer = 4

// AsksProcess reports whether the answer may depend on an owner's container, unit
// or command line.
func (f *Filter) AsksProcess() bool {
	return len(f.container) > 0 || f.expression != nil && f.expression.asksProcess
}

// CompileRow returns the question about a row that the flags of f and another
// expression ask together.
func (f *Filter) CompileRow(expression string) (func(*track.Row) bool, error) {
	g := *f
	if expression != "" {
		x, err := Compile(expression)
		if err != nil {
			return nil, err
		}
		g.expression = x
	}
	return g.MatchRow, nil
}
