package e2e

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// A process may be called anything: bytes that are no text, sequences that
// drive a terminal, characters that turn the direction of writing.
func TestHostileNamesSpoilNothing(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	names := []string{"\xff\x1b[2J\x1b]0;x\x07", "a\u202eb\u2066c\u200b\n", "\"\\,;=\t%s\r\x9b1m", "\x7f\u0085\u2028<&>"}
	for i, name := range kerneltest.Few(names...) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			ns := newNetns(t)
			var h *helper
			netns := fmt.Sprint(ns.Inum())
			runs := map[string]*run{}
			for _, args := range kerneltest.Few("trace -o jsonl", "trace", "trace -o wide --inventory", "trace -o json", "trace -o csv", "history", "history -o jsonl") {
				runs[args] = start(t, append(strings.Fields(args), "--netns", netns)...)
			}
			runs["trace -o jsonl"].ready(ns)
			for args, r := range runs {
				kerneltest.Eventually(t, patience, func() bool {
					ns.Do(func() { kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: 1}) })
					return len(r.stdout()) > 0
				}, args)
			}
			h = inNetns(ns, func() *helper { return startHelper(t, "hold", "127.0.0.1:0", name) })
			if _, err := fmt.Fprintln(h.stdin, "again"); err != nil {
				t.Fatal(err)
			}
			port := addrPortOf(t, h.next())
			for args, r := range runs {
				kerneltest.Eventually(t, patience, func() bool {
					return strings.Contains(string(r.stdout()), fmt.Sprint(port))
				}, "the process's connection in "+args)
			}
			for _, output := range kerneltest.Few("text", "wide", "json", "jsonl", "csv") {
				args := []string{"sockets", "-o", output, "--netns", netns}
				checkClean(t, strings.Join(args, " "), mustOutput(t, args...))
			}
			for args, r := range runs {
				r.interrupt()
				checkClean(t, args, r.read("stdout"))
				if strings.HasSuffix(args, "jsonl") {
					checkNamed(t, r.lines(), h.pid())
				}
			}
		})
	}
}

// checkNamed checks that the process is there, by its pid and under some name.
func checkNamed(t *testing.T, lines []line, pid uint32) {
	t.Helper()
	of := sift(lines, func(l *line) bool { return l.Owner.PID == pid })
	if len(of) == 0 || of[0].Owner.Comm == "" {
		t.Errorf("nothing is owned by %d: %d lines", pid, len(lines))
	}
}

// checkClean checks that text is text and nothing else.
func checkClean(t *testing.T, what string, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Errorf("%s: not UTF-8: %q", what, text)
	}
	for l := range strings.Lines(string(text)) {
		for _, r := range strings.TrimSuffix(l, "\n") {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				t.Errorf("%s: %U in %q", what, r, l)
				break
			}
		}
	}
}
