package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// A recording, replayed, says what was said live, to the byte, and needs no
// privilege.
func TestReplaySaysTheSame(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{BufferKB: 64 << 10})
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	var made []kerneltest.Churned
	ns.Do(func() {
		for _, o := range []kerneltest.ChurnOptions{
			{Connections: kerneltest.Load(500)}, {Connections: kerneltest.Load(500), Reset: true},
			{Connections: kerneltest.Load(500), IPv6: true}, {Connections: kerneltest.Load(500), IPv6: true, Reset: true},
		} {
			made = append(made, kerneltest.Churn(t, o))
		}
		kerneltest.Pair(t, kerneltest.IPv4) // stays open
	})
	r.interrupt()
	live := r.stdout()
	for _, m := range made {
		lines := sift(r.lines(), func(l *line) bool { return l.involves(m.Ports...) })
		checkChurn(t, lines, m, lostOf(r.lines()), hidden(t, w, m.Ports))
	}

	file := filepath.Join(t.TempDir(), "recording.jsonl")
	if err := os.WriteFile(file, live, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	again := mustOutput(t, "trace", "-r", file, "-o", "jsonl")
	if !bytes.Equal(again, live) {
		t.Errorf("the replay differs: %s", firstDifference(live, again))
	}
	readable(t, file)
	for _, args := range kerneltest.Few([]string{"trace"}, []string{"trace", "-o", "csv"}, []string{"history"}, []string{"sockets"}, []string{"history", "-o", "jsonl"}) {
		out, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, nil, kerneltest.BuildTcpwatch(t), append(args, "-r", file)...)
		if code != 0 || out == "" && args[0] != "sockets" {
			t.Errorf("%v as nobody: exit code %d, %d bytes: %s", args, code, len(out), errOut)
		}
		checkClean(t, fmt.Sprint(args), []byte(out))
		if strings.Contains(out, "still held") {
			t.Errorf("%v takes what the recording does not tell for held: %s", args, out[:min(len(out), 2000)])
		}
	}
}

// readable lets everybody reach a file of the test's.
func readable(t *testing.T, file string) {
	t.Helper()
	for dir := filepath.Dir(file); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func firstDifference(a, b []byte) string {
	la, lb := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(la), len(lb)) {
		if !bytes.Equal(la[i], lb[i]) {
			return fmt.Sprintf("line %d:\n%s\n%s", i+1, la[i], lb[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(la), len(lb))
}
