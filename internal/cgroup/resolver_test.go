package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
)

// proc is a procfs of a test's own.
type proc struct {
	t    *testing.T
	root string
}

func newProc(t *testing.T) *proc { return &proc{t, t.TempDir()} }

// start makes a process that started ticks of 10 ms after boot.
func (p *proc) start(pid, ticks int, name, cgroup string, args ...string) {
	p.t.Helper()
	dir := filepath.Join(p.root, fmt.Sprint(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 %d 1000 100 184467440737095516", pid, name, ticks)
	for file, text := range map[string]string{
		"stat": stat, "cgroup": cgroup, "cmdline": strings.Join(args, "\x00") + "\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *proc) end(pid int) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.root, fmt.Sprint(pid))); err != nil {
		p.t.Fatal(err)
	}
}

const tick = uint64(tickNS)

func TestResolver(t *testing.T) {
	p := newProc(t)
	p.start(7, 500, "nginx: (w) 1 2", "0::/system.slice/docker-"+id+".scope\n", "nginx", "-g", "daemon off;")
	for _, cmdline := range []bool{false, true} {
		r := NewResolver(Options{Root: p.root, Cmdline: cmdline})
		want := events.Process{Container: id, Unit: "docker-" + id + ".scope"}
		if cmdline {
			want.Cmdline = "nginx -g daemon off;"
		}
		if got := r.Known(7, 600*tick); got != nil {
			t.Errorf("%+v is known before anybody looked", got)
		}
		if got := r.Look(7, 600*tick); got == nil || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := r.Known(7, 600*tick); got == nil || *got != want {
			t.Errorf("%+v is known, want %+v", got, want)
		}
		if got := r.Look(8, 600*tick); got != nil {
			t.Errorf("%+v of a process that is not there", got)
		}
		if got := r.Look(0, 600*tick); got != nil {
			t.Errorf("%+v of a process in no visible namespace", got)
		}
	}
}

// A process that started after the event that named its pid is another one.
func TestResolverTellsReusedPidsApart(t *testing.T) {
	p := newProc(t)
	p.start(7, 500, "new", "0::/lxc/new\n")
	r := NewResolver(Options{Root: p.root})
	if got := r.Look(7, 499*tick); got != nil {
		t.Errorf("%+v, but it started after it was seen", got)
	}
	if got := r.Known(7, 499*tick); got != nil {
		t.Errorf("%+v is known, but it started after it was seen", got)
	}
	if got := r.Look(7, 500*tick); got == nil || got.Container != "new" {
		t.Errorf("%+v, want the one that started then", got)
	}
	// It ends, and the pid is given to another.
	long := now() + 2*fresh
	p.start(7, int(long/tick), "newer", "0::/lxc/newer\n")
	if got := r.Known(7, long); got != nil {
		t.Errorf("%+v is known of a pid that nobody has looked at for long", got)
	}
	if got := r.Look(7, long-tick); got != nil {
		t.Errorf("%+v, but the one of then has ended", got)
	}
	if got := r.Look(7, 501*tick); got != nil {
		t.Errorf("%+v, but the pid is another's now", got)
	}
}

// What was looked at in time stays known when the process has ended.
func TestResolverRemembers(t *testing.T) {
	p := newProc(t)
	p.start(7, 500, "short", "0::/lxc/short\n")
	r := NewResolver(Options{Root: p.root})
	r.Look(7, 600*tick)
	p.end(7)
	if got := r.Look(7, 600*tick); got == nil || got.Container != "short" {
		t.Errorf("%+v, want what was looked at", got)
	}
	if got := r.Look(7, now()+2*fresh); got != nil {
		t.Errorf("%+v of a process that ended long ago", got)
	}
}

// That there is no process is not asked again and again, but for a later event.
func TestResolverRemembersTheAbsent(t *testing.T) {
	p := newProc(t)
	r := NewResolver(Options{Root: p.root})
	before := now()
	r.Look(7, before)
	p.start(7, int(before/tick)-5, "late", "0::/lxc/late\n")
	if got := r.Look(7, before); got != nil {
		t.Errorf("%+v was looked for again at once", got)
	}
	if got := r.Look(7, now()); got == nil || got.Container != "late" {
		t.Errorf("%+v, want the one that an event has named since", got)
	}
}

func TestResolverIsBounded(t *testing.T) {
	p := newProc(t)
	r := NewResolver(Options{Root: p.root})
	for pid := range uint32(maxProcesses) {
		r.known[pid+100] = known{}
	}
	p.start(7, 1, "x", "0::/\n")
	r.Look(7, tick)
	if len(r.known) > maxProcesses {
		t.Errorf("%d processes are remembered, want at most %d", len(r.known), maxProcesses)
	}
	p.start(9, 1, "x", "0::/\n", strings.Repeat("a", 3*events.MaxCmdline))
	c := NewResolver(Options{Root: p.root, Cmdline: true})
	if got := c.Look(9, tick); got == nil || len(got.Cmdline) != events.MaxCmdline {
		t.Errorf("%+v, want a command line of %d bytes", got, events.MaxCmdline)
	}
}

func TestHostileStat(t *testing.T) {
	p := newProc(t)
	r := NewResolver(Options{Root: p.root})
	for i, name := range []string{") S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 1 ", "a\nb", "", "((("} {
		p.start(20+i, 500, name, "0::/lxc/a\n")
		if got := r.Look(uint32(20+i), 499*tick); got != nil {
			t.Errorf("named %q it seems to have started earlier", name)
		}
		if got := r.Look(uint32(20+i), 500*tick); got == nil {
			t.Errorf("named %q it is not found", name)
		}
	}
	for i, stat := range []string{"", "1 (x)", "1 (x) S", "1 (x) " + strings.Repeat("y ", 30), "1 (x) " + strings.Repeat("99999999999999999999 ", 30)} {
		p.start(40+i, 1, "x", "0::/lxc/a\n")
		if err := os.WriteFile(filepath.Join(p.root, fmt.Sprint(40+i), "stat"), []byte(stat), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := r.Look(uint32(40+i), 1e18); got != nil {
			t.Errorf("stat %q tells of %+v", stat, got)
		}
	}
}

// This process, by the kernel's own procfs.
func TestOwnProcess(t *testing.T) {
	r := NewResolver(Options{Cmdline: true})
	got := r.Look(uint32(os.Getpid()), now())
	if got == nil || !strings.HasPrefix(got.Cmdline, os.Args[0][:min(len(os.Args[0]), 100)]) {
		t.Fatalf("%+v, want the command line %q", got, os.Args)
	}
	if got := r.Look(uint32(os.Getpid()), 1); got != nil {
		t.Errorf("%+v just after boot", got)
	}
}

func TestAhead(t *testing.T) {
	p := newProc(t)
	p.start(7, 500, "x", "0::/lxc/x\n")
	r := NewResolver(Options{Root: p.root})
	a := NewAhead(r)
	w := events.Owner{PID: 7, Seen: 600 * tick, Provenance: events.ProvenanceExact}
	for range 3 * maxAsked {
		a.Ask(&w, 600*tick)
	}
	a.Ask(&events.Owner{PID: 8, Seen: 1}, 1) // nobody is named
	if n := testing.AllocsPerRun(100, func() { a.Ask(&w, 600*tick) }); n != 0 {
		t.Errorf("%v allocations for each question, want 0", n)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.Known(7, 600*tick); got == nil || got.Container != "x" {
		t.Errorf("%+v, want what was looked at ahead", got)
	}
}
