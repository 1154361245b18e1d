package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// newCgroup makes a cgroup of a name, and removes it at the end.
func newCgroup(t *testing.T, name string) string {
	t.Helper()
	mount := t.TempDir()
	if err := unix.Mount("none", mount, "cgroup2", 0, ""); err != nil {
		kerneltest.SkipProved(t, "this kernel has no cgroup v2", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kerneltest.AwaitNoError(t, patience, func() error { return unix.Rmdir(dir) }, "the cgroup to be empty")
	})
	return dir
}

func moveTo(t *testing.T, cgroup string, pid uint32) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0); err != nil {
		t.Fatal(err)
	}
}

// newID makes an id such as container runtimes do.
func newID(t *testing.T) string {
	t.Helper()
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b[:])
}

// The container and the unit of an owner are told, of what is there and of what
// happens, and can be asked for; so is the name of the network namespace.
func TestContainerAndUnit(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	id := newID(t)
	unit := "docker-" + id + ".scope"
	dir := newCgroup(t, unit)
	ns := newNetns(t)
	name := fmt.Sprintf("tcpwatch-box-%d", os.Getpid())
	ns.Named(name)
	h := inNetns(ns, func() *helper { return startHelper(t, "hold", "127.0.0.1:0", "boxed") })
	moveTo(t, dir, h.pid())
	netns := fmt.Sprint(ns.Inum())
	check := func(what string, l *line) {
		t.Helper()
		if l.Owner.PID != h.pid() || l.Owner.Container != id || l.Owner.Unit != unit || l.NetnsName != name || l.Owner.Cmdline != "" {
			t.Errorf("%s: %v in %q: want container %s, unit %s, namespace %s", what, l, l.NetnsName, id, unit, name)
		}
	}
	for _, wish := range []string{id, id[:12], id[:5]} {
		rows := parseArray(t, mustOutput(t, "sockets", "-o", "json", "--container", wish))
		if len(rows) != 3 {
			t.Errorf("--container %s finds %d sockets, want 3", wish, len(rows))
		}
		for i := range rows {
			check("sockets", &rows[i])
		}
	}
	if rows := parseArray(t, mustOutput(t, "sockets", "-o", "json", "--container", newID(t)[:12])); len(rows) != 0 {
		t.Errorf("%d sockets of a container that is not there", len(rows))
	}
	wide := string(mustOutput(t, "sockets", "-o", "wide", "--netns", netns))
	if !strings.Contains(wide, " "+id[:12]+" ") || !strings.Contains(wide, "("+name+")") {
		t.Errorf("wide shows no container or namespace:\n%s", wide)
	}

	plain := start(t, "trace", "-o", "jsonl", "--netns", netns)
	asked := start(t, "trace", "-o", "jsonl", "--netns", netns, "--container", id[:12])
	for _, r := range []*run{plain, asked} { // its inventory shows that it watches
		r.await(t, func(l *line) bool { return l.Event == "inventory" && l.Owner.PID == h.pid() }, "the container's sockets; "+r.stderr())
	}
	plain.ready(ns)
	for what, r := range map[string]*run{"trace": plain, "trace --container": asked} {
		kerneltest.Eventually(t, patience, func() bool { // a line does not wait for what is not known yet
			if _, err := fmt.Fprintln(h.stdin, "again"); err != nil {
				t.Fatal(err)
			}
			port := addrPortOf(t, h.next())
			l := r.await(t, func(l *line) bool { return l.Event == "closed" && l.Lport == port && l.Owner.PID == h.pid() }, "the end of a connection; "+what)
			return l.Owner.Container != ""
		}, "a line with the container in "+what)
	}
	for what, r := range map[string]*run{"trace": plain, "trace --container": asked} {
		r.interrupt()
		for _, l := range r.lines() {
			switch {
			case l.Owner.PID == h.pid() && (r == asked || l.Owner.Container != ""):
				check(what, &l)
			case l.Event != "lost" && (r == asked || l.Owner.Container == id):
				t.Errorf("%s: %v is not the container's", what, &l)
			}
		}
	}
}

// What a process calls itself spoils nothing, nor does how it was called.
func TestHostileCommandLinesSpoilNothing(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	cmd := exec.Command(os.Args[0], "\x1b]0;x\x07\xff", "a\u202eb\n\r", `"],{`, strings.Repeat("ü", 5000))
	cmd.Env = append(os.Environ(), helperMode+"=hold", helperAddr+"=127.0.0.1:0", fmt.Sprintf("%s=%x", helperName, "\x1b[2J\xff"))
	h := inNetns(ns, func() *helper { return startHelperCommand(t, cmd) })
	for _, output := range []string{"text", "wide", "json", "jsonl", "csv"} {
		args := []string{"sockets", "-o", output, "--cmdline", "--holders", "--netns", fmt.Sprint(ns.Inum())}
		out := mustOutput(t, args...)
		checkClean(t, strings.Join(args, " "), out)
		if output != "jsonl" {
			continue
		}
		rows := sift(parseLines(t, out), func(l *line) bool { return l.Owner.PID == h.pid() })
		if len(rows) != 3 {
			t.Errorf("%d sockets of the helper, want 3", len(rows))
		}
		for _, l := range rows {
			if !strings.HasPrefix(l.Owner.Cmdline, os.Args[0][:min(len(os.Args[0]), 50)]) || len(l.Owner.Cmdline) > 4*256 {
				t.Errorf("command line %q", l.Owner.Cmdline)
			}
		}
	}
}

// Inside a pid namespace, pids are those of that namespace; what only processes
// outside hold is nobody's, and not said to be in flight.
func TestInsideAPidNamespace(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	outside := inNetns(ns, func() *helper { return startHelper(t, "hold", "127.0.0.1:0", "") })
	const script = `sleep 60 | "$0" >"$1" & inner=$!
while ! [ -s "$1" ]; do sleep 0.1; done
echo $inner >>"$1"
shift; "$@"; status=$?
kill $inner; exit $status`
	said := filepath.Join(t.TempDir(), "said")
	cmd := exec.Command("unshare", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", script, os.Args[0], said,
		kerneltest.BuildTcpwatch(t), "sockets", "-o", "jsonl")
	cmd.Env = append(os.Environ(), helperMode+"=hold", helperAddr+"=127.0.0.1:0")
	r := inNetns(ns, func() *run { return startCommand(t, cmd) })
	if code := r.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.stderr())
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	var addr, client string
	var inner uint32
	if _, err := fmt.Sscan(string(text), &addr, &client, &inner); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	inside, strangers := 0, 0
	for _, l := range r.lines() {
		switch {
		case l.involves(addrPortOf(t, addr)):
			inside++
			if l.Owner.PID != inner || l.Owner.Provenance != "exact" {
				t.Errorf("inside: %v: want %d", &l, inner)
			}
		case l.involves(addrPortOf(t, outside.addr)):
			strangers++
			if l.Owner.PID != 0 || l.Owner.Provenance != "unknown" || l.Owner.Note != "" {
				t.Errorf("outside: %v: want nobody", &l)
			}
		}
	}
	if inside != 3 || strangers != 3 {
		t.Errorf("%d sockets of the process inside, %d of the one outside, want 3 and 3", inside, strangers)
	}
}
