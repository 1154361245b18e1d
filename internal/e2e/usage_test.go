package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// What is mistyped is told in one line, with what may have been meant.
func TestMistakesAreExplained(t *testing.T) {
	binary := kerneltest.BuildTcpwatch(t)
	for line, meant := range map[string]string{
		"trase":                          "did you mean trace?",
		"xyzzy":                          "--help",
		"trace --prot 80":                "did you mean --port?",
		"trace --state CLOSE_WIAT":       "did you mean CLOSE_WAIT?",
		"trace -o jsnl":                  "did you mean",
		"sockets -o cvs":                 "did you mean csv?",
		"trace verdct=='normal'":         "did you mean verdict?",
		"trace --for soon":               "--for",
		"trace --for -1s":                "--for",
		"trace --ring-size 5000":         "ring size",
		"trace --port http":              "port",
		"trace --addr 10.0.0.0/99":       "10.0.0.0/99",
		"trace --netns nowhere":          "nowhere",
		"trace -r /nonexistent":          "/nonexistent",
		"trace to==":                     "",
		"doctor now":                     "",
		"explain CLOSE_WIAT":             "did you mean CLOSE_WAIT?",
		"demo --only resett":             "did you mean reset?",
		"demo --rounds -1":               "--rounds",
		"trace --max-sockets 0":          "--max-sockets",
		"live":                           "terminal",
		"sockets --state ESTABLISHED -X": "-X",
	} {
		t.Run(line, func(t *testing.T) {
			out, err := exec.Command(binary, strings.Fields(line)...).CombinedOutput()
			text := string(out)
			exit, _ := err.(*exec.ExitError)
			if exit == nil || exit.ExitCode() != 2 {
				t.Fatalf("%v, want exit code 2: %s", err, text)
			}
			if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "tcpwatch: ") || !strings.Contains(text, meant) {
				t.Errorf("want one line with %q: %s", meant, text)
			}
		})
	}
}

// A reader that has seen enough is no error, and Ctrl-C is none.
func TestQuietEnds(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	for _, output := range kerneltest.Few("text", "jsonl", "csv") {
		t.Run("head "+output, func(t *testing.T) {
			cmd := exec.Command(kerneltest.BuildTcpwatch(t), "trace", "-o", output)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			rest := keepChurning(t, ns, kerneltest.ChurnOptions{Connections: 10}, 0)
			if _, err := io.ReadFull(out, make([]byte, 100)); err != nil {
				t.Errorf("read: %v", err)
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
			began := time.Now()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, said.String())
			}
			if d := time.Since(began); d > kerneltest.Within(5*time.Second) {
				t.Errorf("it took %v", d)
			}
			rest()
		})
	}
	t.Run("nobody reads, nothing happens", func(t *testing.T) {
		cmd := exec.Command(kerneltest.BuildTcpwatch(t), "trace", "--netns", fmt.Sprint(ns.Inum()))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = out.Close() // and now it must end by itself
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("it did not end: %v", err)
		}
	})
	t.Run("for", func(t *testing.T) {
		if _, said, code := output(t, "trace", "--for", "500ms"); code != 0 || !strings.Contains(said, "transitions") {
			t.Errorf("exit code %d: %s", code, said)
		}
	})
	for _, verb := range []string{"trace", "history"} {
		t.Run("interrupt "+verb, func(t *testing.T) {
			r := start(t, verb)
			kerneltest.Eventually(t, patience, func() bool {
				ns.Do(func() { kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: 1}) })
				return len(r.stdout()) > 0
			}, "output")
			r.interrupt()
			if said := r.stderr(); !strings.Contains(said, "transitions") {
				t.Errorf("no summary: %q", said)
			}
		})
	}
}

// Without privilege, version -v says what this kernel does not let anybody see.
func TestVersionSaysWhatTheKernelLacks(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	out, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, nil, kerneltest.BuildTcpwatch(t), "version", "-v")
	if code != 0 || strings.Contains(out, "cannot tell") {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	for what, has := range map[string]bool{
		"unseen  the cookies of sockets made during the watch": kerneltest.HasFunc(t, "bpf_get_socket_ptr_cookie"),
		"unseen  why the kernel sent an RST":                   kerneltest.HasEnumerator(t, "sk_rst_reason", "SK_RST_REASON_NOT_SPECIFIED"),
	} {
		if strings.Contains(out, what) == has {
			t.Errorf("the kernel has it: %v, but %q is said: %v", has, what, !has)
		}
	}
}
