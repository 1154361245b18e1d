package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// runCheck runs tcpwatch check in a namespace, and again where what others do on
// this machine lost it events.
func runCheck(t *testing.T, ns *kerneltest.Netns, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	const tries = 5
	for range tries {
		if stdout, stderr, code = checkOnce(t, ns, args...); code != 4 && !strings.Contains(stdout, "UNKNOWN") {
			break
		}
	}
	return stdout, stderr, code
}

func checkOnce(t *testing.T, ns *kerneltest.Netns, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	out := inNetns(ns, func() [3]any {
		stdout, stderr, code := output(t, append([]string{"check"}, args...)...)
		return [3]any{string(stdout), stderr, code}
	})
	return out[0].(string), fmt.Sprint(out[1]), out[2].(int)
}

// resetting accepts connections, reads a byte, and resets them.
func resetting(t *testing.T) (addr string) {
	t.Helper()
	l := kerneltest.Listen(t, kerneltest.IPv4)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// A command's connections are judged, and its exit code says the rest; what others
// do meanwhile is not its fault.
func TestCheckCommand(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	good := inNetns(ns, func() *helper { return startHelper(t, "serve", "127.0.0.1:0", "server") })
	bad := inNetns(ns, func() string { return resetting(t) })
	go func() {
		for good.lines.Scan() {
		}
	}()
	t.Setenv(helperMode, "talk")
	for _, c := range []struct {
		name, addr string
		flags      []string
		code       int
		says       string
	}{
		{"in order", good.addr, nil, 0, "passed: 1 connection, 1 normal"},
		{"reset", bad, nil, 1, "reset_by_peer"},
		{"a reset is allowed", bad, []string{"--fail-on", "impossible"}, 0, "passed"},
		{"another port is asked about", bad, []string{"--port", "1"}, 0, "passed: 0 connections"},
		{"the command fails", "exit 3", nil, 5, "exit status 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(helperAddr, c.addr)
			report := filepath.Join(t.TempDir(), "junit.xml")
			args := append([]string{"--junit", report}, c.flags...)
			stop := make(chan struct{})
			stopped := make(chan struct{})
			go func() { // what others do
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						ns.Do(func() { others(bad) })
					}
				}
			}()
			stdout, stderr, code := runCheck(t, ns, append(args, "--", os.Args[0])...)
			close(stop)
			<-stopped
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, want %d and %q: %s", code, c.code, c.says, stderr)
			}
			if want := "talked\n"; c.code != 5 && stdout != want {
				t.Errorf("stdout is %q, want the command's %q", stdout, want)
			}
			xml, err := os.ReadFile(report)
			if err != nil {
				t.Fatal(err)
			}
			if failed := strings.Contains(string(xml), `failures="1"`); failed != (c.code == 1) {
				t.Errorf("junit: %s", xml)
			}
		})
	}
}

func others(addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	_, _ = c.Write([]byte{1})
	_, _ = c.Read(make([]byte, 1))
	_ = c.Close()
}

// As a step of somebody's build it costs little: 0.2 s on an idle machine, where
// this asks for no more than ten times that.
func TestCheckCostsLittle(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	checkOnce(t, ns, "--", "true") // the binary is read, and built
	began := time.Now()
	_, stderr, code := checkOnce(t, ns, "--", "true")
	took := time.Since(began)
	if most := kerneltest.Within(2 * time.Second); code != 0 || took > most {
		t.Errorf("exit code %d after %v, want 0 within %v: %s", code, took, most, stderr)
	}
	t.Logf("check took %v", took)
}

// Where events were lost, nothing is proven.
func TestCheckIsNotProven(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	good := inNetns(ns, func() *helper { return startHelper(t, "serve", "127.0.0.1:0", "server") })
	go func() {
		for good.lines.Scan() {
		}
	}()
	t.Setenv(helperMode, "talk")
	t.Setenv(helperAddr, strings.Repeat(good.addr+" ", 500))
	_, stderr, code := checkOnce(t, ns, "--ring-size", fmt.Sprint(os.Getpagesize()), "--", os.Args[0])
	if code != 4 || !strings.Contains(stderr, "events lost") {
		t.Errorf("exit code %d, want 4: %s", code, stderr)
	}
}

// A host is checked for a while, against limits too.
func TestCheckHost(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	h := inNetns(ns, func() *helper { return startHelper(t, "leak", "127.0.0.1:0", "leaky") })
	ns.Do(func() {
		for range 3 {
			leakOne(t, h.addr, 1)
		}
	})
	netns := fmt.Sprint(ns.Inum())
	kerneltest.Eventually(t, patience, func() bool {
		n, _ := ssQueues(t, ns, "close-wait", "")
		return n == 3
	}, "the leak")
	for _, c := range []struct {
		name  string
		flags []string
		code  int
		says  string
	}{
		{"no limit", nil, 0, "passed"},
		{"within the limit", []string{"--max-close-wait", "3"}, 0, "passed"},
		{"past the limit", []string{"--max-close-wait", "2"}, 1, "3 sockets in CLOSE_WAIT"},
		{"for Nagios", []string{"--max-close-wait", "2", "--nagios"}, 1, "TCPWATCH WARNING"},
		{"pressure", []string{"--max-port-pressure", "0.001"}, 1, "max-port-pressure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := runCheck(t, ns, append([]string{"--for", "300ms", "--netns", netns}, c.flags...)...)
			if code != c.code || !strings.Contains(stdout, c.says) {
				t.Errorf("exit code %d, want %d and %q: %s%s", code, c.code, c.says, stdout, stderr)
			}
		})
	}
	for _, args := range [][]string{
		{}, {"--for", "1s", "--", "true"}, {"--fail-on", "normal", "--for", "1s"}, {"--max-age", "x", "--for", "1s"}, {"--", "/no/such/command"},
	} {
		if _, stderr, code := runCheck(t, ns, args...); code != 2 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("check %v: exit code %d, want 2 and one line: %s", args, code, stderr)
		}
	}
}
