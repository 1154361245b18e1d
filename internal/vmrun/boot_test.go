package vmrun

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools are the programs that the boot tests need, built once.
type tools struct{ init, guest, dir string }

// requireKernel skips the test unless the kernel can be booted, and says what
// is missing.
func requireKernel(t *testing.T, series string) (cache string) {
	t.Helper()
	if os.Getenv("TCPWATCH_VM") != "1" {
		t.Skip("boots kernels, a minute of one processor: only with TCPWATCH_VM=1, after vmrun fetch")
	}
	if err := need(amd64.qemu, "go"); err != nil {
		t.Skip(err)
	}
	cache, err := DefaultCache()
	if err != nil {
		t.Skip(err)
	}
	if _, err := FindKernel(cache, series); err != nil {
		t.Skip(err)
	}
	return cache
}

func buildTools(t *testing.T) tools {
	t.Helper()
	dir := t.TempDir()
	build := func(name, pkg string) string {
		file := filepath.Join(dir, name)
		if _, err := goCommand(t.Context(), &amd64, "build", "-o", file, pkg); err != nil {
			t.Fatal(err)
		}
		return file
	}
	if err := os.MkdirAll(filepath.Join(dir, "testdata", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "sub/file"} {
		if err := os.WriteFile(filepath.Join(dir, "testdata", name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tools{init: build("vmrun", "./cmd/vmrun"), guest: build("guest", "./testdata/guest"), dir: dir}
}

// ran is what a run printed.
type ran struct {
	Result
	stdout, stderr string
	err            error
}

func (b tools) run(t *testing.T, cache, series string, change func(*Config), args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := Config{
		Cache: cache, Kernel: series, Binary: b.guest, Args: args, Dir: b.dir, Init: b.init,
		Timeout: time.Minute, Stdout: &stdout, Stderr: &stderr,
	}
	if change != nil {
		change(&c)
	}
	result, err := Run(ctx, c)
	return ran{result, stdout.String(), stderr.String(), err}
}

// Every kernel of the cache boots, has what tests need, and gives back output,
// files and the exit code.
func TestBoot(t *testing.T) {
	for _, series := range SeriesNames() {
		t.Run(series, func(t *testing.T) {
			cache := requireKernel(t, series)
			profile := filepath.Join(t.TempDir(), "c.out")
			r := buildTools(t).run(t, cache, series, func(c *Config) {
				c.Modules = []string{"veth", "sch_netem", "tun", "nft_ct"}
				c.Env = []string{"GREETING=hello there"}
			}, "-test.coverprofile="+profile, "look")
			if r.err != nil || r.Code != 0 {
				t.Fatalf("exit code %d, error %v, printed\n%s%s", r.Code, r.err, r.stdout, r.stderr)
			}
			for _, want := range []string{
				"release " + series + ".", "VMRUN " + series + " GREETING hello there\n",
				"veth is loaded\n", "connected in /t\n",
			} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("printed %q, want %q in it", r.stdout, want)
				}
			}
			if r.stderr != "to stderr\n" {
				t.Errorf("stderr %q", r.stderr)
			}
			if got, err := os.ReadFile(profile); err != nil || string(got) != "mode: set\n" {
				t.Errorf("profile %q, %v", got, err)
			}
			t.Logf("booted in %v, %v in all", r.Boot.Round(time.Millisecond), r.Total.Round(time.Millisecond))
		})
	}
}

// What goes wrong in a guest is told: by the exit code if it is the program's
// fault, else by an error with the kernel's words.
func TestTrouble(t *testing.T) {
	cache := requireKernel(t, "6.1")
	b := buildTools(t)
	for _, test := range []struct {
		what string
		code int
		err  string // in the error
		says string // in stderr
	}{
		{what: "exit", code: 7},
		{what: "hang", code: ExitTimeout, says: "time.Sleep"},
		{what: "panic", err: "sysrq triggered crash"},
	} {
		t.Run(test.what, func(t *testing.T) {
			r := b.run(t, cache, "6.1", func(c *Config) {
				if test.what == "hang" {
					c.Timeout = 2 * time.Second
				}
			}, test.what)
			if (r.err != nil) != (test.err != "") || r.err != nil && !strings.Contains(r.err.Error(), test.err) {
				t.Errorf("error %v, want %q", r.err, test.err)
			}
			if r.Code != test.code {
				t.Errorf("exit code %d, want %d", r.Code, test.code)
			}
			if !strings.Contains(r.stderr, test.says) {
				t.Errorf("stderr %q, want %q in it", r.stderr, test.says)
			}
		})
	}
}

// The runner dies, and QEMU with it.
func TestQEMUDiesWithTheRunner(t *testing.T) {
	cache := requireKernel(t, "6.1")
	b := buildTools(t)
	cmd := exec.Command(b.init, "-cache", cache, "-k", "6.1", b.guest, "hang")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := waitForChild(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", child, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("QEMU lives on")
		}
	}
}

// waitForChild returns the pid of the first child of a process.
func waitForChild(t *testing.T, pid int) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if child := firstChild(pid); child != "" {
			return child
		}
	}
	t.Fatal("QEMU does not start")
	return ""
}
