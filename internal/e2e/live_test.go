package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// screen is a terminal of tmux's that a test types into and reads.
type screen struct {
	t      *testing.T
	socket string
	status string // file that gets the program's exit code
}

const patience = 60 * time.Second

// newScreen runs a command line in a terminal of the given size.
func newScreen(t *testing.T, width, height int, command string) *screen {
	t.Helper()
	kerneltest.NeedProgram(t, "tmux")
	dir := t.TempDir()
	s := &screen{t: t, socket: filepath.Join(dir, "tmux"), status: filepath.Join(dir, "status")}
	s.tmux("new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
		command+"; echo $? > "+s.status+"; stty -a > "+s.status+".tty; exec sleep 60")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket, "-f", os.DevNull}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v: %s", args[0], err, out)
	}
	return string(out)
}

func (s *screen) text() string { return s.tmux("capture-pane", "-p") }

func (s *screen) keys(keys ...string) { s.tmux(append([]string{"send-keys"}, keys...)...) }

// await waits until the screen is as ok wants it.
func (s *screen) await(what string, ok func(text string) bool) string {
	s.t.Helper()
	var text string
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if text = s.text(); ok(text) {
			return text
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("waited %v in vain for %s; the screen:\n%s", patience, what, text)
	return ""
}

func contains(words ...string) func(string) bool {
	return func(text string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
}

// The README's first command, as a person uses it: look, sort, filter, drill
// down, resize, quit.
func TestLiveScreen(t *testing.T) {
	kerneltest.RequireRoot(t)
	binary := kerneltest.BuildTcpwatch(t)
	s := newScreen(t, 130, 34, binary+" demo --live --pause 100ms --half-close 1s")
	s.await("real sockets", contains("ESTABLISHED", "CLOSE_WAIT", "LISTEN", "lost ")) // others may lose some on purpose

	first := s.text()
	s.keys("S")
	s.await("another order", func(text string) bool { return rowsOf(text) != rowsOf(first) })

	s.keys("/")
	s.keys("-l", "state == \"LISTEN\"")
	s.keys("Enter")
	s.await("the filter", func(text string) bool {
		rows := rowsOf(text)
		return strings.Contains(rows, "LISTEN") && !strings.Contains(rows, "CLOSE_WAIT")
	})
	s.keys("Escape")
	s.await("no filter", func(text string) bool {
		return strings.Contains(rowsOf(text), "CLOSE") || strings.Contains(rowsOf(text), "ESTABLISHED")
	})

	s.keys("/")
	s.keys("-l", "state == \"CLOSE_WAIT\" and owner.comm == \"tcpwatch\"") // not what other tests do
	s.keys("Enter")
	s.await("the other filter", func(text string) bool {
		rows := rowsOf(text)
		applied := strings.Contains(text, `[/state == "CLOSE_WAIT"`) // and no longer being typed
		for _, other := range []string{"ESTABLISHED", "FIN_WAIT", "LISTEN", "TIME_WAIT", "SYN_"} {
			applied = applied && !strings.Contains(rows, other)
		}
		return applied && strings.Contains(rows, "CLOSE_WAIT")
	})
	s.keys("Enter")
	s.await("a history", contains("passive-child-born", "handshake-completed", "fin-received"))

	s.tmux("resize-window", "-x", "40", "-y", "10")
	s.await("the small screen", func(text string) bool {
		return contains("lost")(text) && widest(text) <= 40 && strings.Count(text, "\n") <= 10
	})
	s.tmux("resize-window", "-x", "130", "-y", "34")
	s.await("the large screen again", contains("passive-child-born"))

	s.keys("q")
	s.awaitExit()
}

// A socket that was reset and is still held, which ss does not show, is on the
// screen with its holder and since when; so is one that was so before the start,
// but since when nobody knows.
func TestLiveShowsHeldSockets(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	ns.Named(fmt.Sprintf("tcpwatch-live-%d", os.Getpid()))
	reset := func() (port uint16) { // of the end that is gone
		t.Helper()
		resetter, holder := inNetnsPair(t, ns)
		if err := resetter.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := resetter.Close(); err != nil {
			t.Fatal(err)
		}
		_, port = kerneltest.Ports(holder)
		return port
	}
	before := reset()
	s := newScreen(t, 190, 24, fmt.Sprintf("%s live --netns %d", kerneltest.BuildTcpwatch(t), ns.Inum()))
	row := func(text string, port uint16) string {
		for line := range strings.Lines(text) {
			if strings.Contains(line, fmt.Sprintf(":%d ", port)) && strings.Contains(line, "CLOSE held") {
				return line
			}
		}
		return ""
	}
	mine := fmt.Sprintf("%d/", os.Getpid())
	text := s.await("what was held before", func(text string) bool { return row(text, before) != "" })
	if line := row(text, before); !strings.Contains(line, mine) || !strings.Contains(line, "≥") {
		t.Errorf("%q: want the holder %s, and an age that is only the least", line, mine)
	}
	seen := reset()
	text = s.await("what is held since", func(text string) bool { return row(text, seen) != "" })
	if line := row(text, seen); !strings.Contains(line, mine) || strings.Contains(strings.Fields(line)[3], "≥") {
		t.Errorf("%q: want the holder %s, and an age", line, mine)
	}
	for _, filter := range []string{`held`, `state == "CLOSE" and held`, `held and in_state_ns > duration("2s")`} {
		s.keys("/")
		s.keys("-l", filter)
		s.keys("Enter")
		s.await(filter, func(text string) bool {
			return contains("[/"+filter+"]", "esc back")(text) && row(text, seen) != "" && !strings.Contains(rowsOf(text), "ESTABLISHED")
		})
		s.keys("Escape")
		s.await("no filter", func(text string) bool { return row(text, before) != "" && !strings.Contains(text, "esc back") })
	}
	s.keys("q")
	s.awaitExit()
}

// inNetnsPair returns the ends of a connection within a namespace.
func inNetnsPair(t *testing.T, ns *kerneltest.Netns) (client, server *net.TCPConn) {
	t.Helper()
	ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
	return client, server
}

// Ctrl-C leaves a sane terminal.
func TestLiveInterrupted(t *testing.T) {
	kerneltest.RequireRoot(t)
	s := newScreen(t, 80, 24, kerneltest.BuildTcpwatch(t)+" live")
	s.await("the screen", contains("tcpwatch", "lost "))
	s.keys("C-c")
	s.awaitExit()
}

// awaitExit waits for a good end and a terminal that echoes.
func (s *screen) awaitExit() {
	s.t.Helper()
	var code []byte
	kerneltest.Eventually(s.t, patience, func() bool {
		code, _ = os.ReadFile(s.status)
		_, err := os.Stat(s.status + ".tty")
		return len(code) > 0 && err == nil
	}, "the program ends")
	if got := strings.TrimSpace(string(code)); got != "0" {
		s.t.Errorf("exit code %s, want 0; the screen:\n%s", got, s.text())
	}
	var tty string
	kerneltest.Eventually(s.t, patience, func() bool {
		b, _ := os.ReadFile(s.status + ".tty")
		tty = string(b)
		return strings.Contains(tty, "echo")
	}, "the terminal's settings")
	for _, setting := range []string{" icanon", " echo "} {
		if !strings.Contains(tty, setting) {
			s.t.Errorf("the terminal lacks%s:\n%s", setting, tty)
		}
	}
	if mode := strings.TrimSpace(s.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}")); mode != "01" {
		s.t.Errorf("alternate screen and cursor are %q, want 01: off and shown", mode)
	}
}

// rowsOf is the table without header and footer, which change by themselves,
// and without times.
func rowsOf(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) < 5 {
		return ""
	}
	var rows []string
	for _, line := range lines[3 : len(lines)-2] {
		fields := strings.Fields(strings.TrimLeft(line, "▌"))
		if len(fields) > 4 {
			rows = append(rows, fields[1]+" "+fields[3]+" "+fields[4])
		}
	}
	return strings.Join(rows, "\n")
}

func widest(text string) int {
	w := 0
	for line := range strings.Lines(text) {
		w = max(w, len([]rune(strings.TrimRight(line, "\n"))))
	}
	return w
}
