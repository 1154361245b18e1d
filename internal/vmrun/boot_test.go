package vmrun

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// bootEnv names the kernels that the boot tests boot: 1 for all, or a list of
// series. They take half a minute of one processor each.
const bootEnv = "TCPWATCH_VM"

// eachKernel runs a test for each kernel that bootEnv names. Something missing
// is a failure then.
func eachKernel(t *testing.T, test func(t *testing.T, b tools)) {
	t.Helper()
	names, err := bootSeries(os.Getenv(bootEnv))
	if err != nil {
		t.Fatalf("%s: %v", bootEnv, err)
	}
	if names == nil {
		t.Skip("boots kernels: only with " + bootEnv + "=1, or =6.1 for one, after vmrun fetch")
	}
	cache, err := DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			k, err := FindKernel(cache, name)
			if err != nil {
				t.Fatal(err)
			}
			if err := need(k.series.arch.qemu, "go"); err != nil {
				t.Fatal(err)
			}
			test(t, buildTools(t, cache, k))
		})
	}
}

// bootSeries reads the value of bootEnv.
func bootSeries(value string) ([]string, error) {
	switch value {
	case "", "0":
		return nil, nil
	case "1":
		return SeriesNames(), nil
	}
	return ParseSeries(value)
}

func TestBootSeries(t *testing.T) {
	for value, want := range map[string][]string{"": nil, "0": nil, "1": SeriesNames(), "6.1,7.3": {"6.1", "7"}} {
		if got, err := bootSeries(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q means %v, %v; want %v", value, got, err, want)
		}
	}
	if got, err := bootSeries("yes"); err == nil {
		t.Errorf("yes means %v", got)
	}
}

// tools are the programs that the boot tests need, for one kernel.
type tools struct {
	runner string // vmrun, for this machine
	guest  string // for the kernel's
	dir    string // with testdata
	cache  string
	kernel Kernel
}

func buildTools(t *testing.T, cache string, k Kernel) tools {
	t.Helper()
	dir := t.TempDir()
	build := func(name, arch, pkg string) string {
		file := filepath.Join(dir, name)
		if _, err := goCommand(t.Context(), arch, "build", "-o", file, pkg); err != nil {
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
	return tools{
		runner: build("vmrun", runtime.GOARCH, "./cmd/vmrun"),
		guest:  build("guest", k.series.arch.name, "./testdata/guest"),
		dir:    dir, cache: cache, kernel: k,
	}
}

// init returns the /init to use: this program is none.
func (b tools) init() string {
	if b.kernel.series.arch.native() {
		return b.runner
	}
	return "" // one is built
}

// ran is what a run printed.
type ran struct {
	Result
	stdout, stderr string
	err            error
}

func (b tools) run(t *testing.T, change func(*Config), args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := Config{
		Cache: b.cache, Kernel: b.kernel.Series, Binary: b.guest, Args: args, Dir: b.dir, Init: b.init(),
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
	eachKernel(t, func(t *testing.T, b tools) {
		series := b.kernel.Series
		release, _, _ := strings.Cut(series, "-")
		profile, out := filepath.Join(t.TempDir(), "c.out"), filepath.Join(t.TempDir(), "out")
		r := b.run(t, func(c *Config) {
			c.Modules = []string{"veth", "sch_netem", "tun", "nft_ct", "?mptcp_diag", "?none-such"}
			c.Env = []string{"GREETING=hello there"}
			c.OutDir = out
		}, "-test.coverprofile="+profile, "look")
		if r.err != nil || r.Code != 0 {
			t.Fatalf("exit code %d, error %v, printed\n%s%s", r.Code, r.err, r.stdout, r.stderr)
		}
		for _, want := range []string{
			"release " + release + ".", "VMRUN " + series + " GREETING hello there\n",
			"veth is loaded\n", "connected in /t\n",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("printed %q, want %q in it", r.stdout, want)
			}
		}
		if r.stderr != "to stderr\n" {
			t.Errorf("stderr %q", r.stderr)
		}
		if !strings.Contains(r.stdout, "release "+r.Release+"\n") {
			t.Errorf("release %q, printed %q", r.Release, r.stdout)
		}
		if got, err := os.ReadFile(profile); err != nil || string(got) != "mode: set\n" {
			t.Errorf("profile %q, %v", got, err)
		}
		if got, err := os.ReadFile(filepath.Join(out, "note")); err != nil || string(got) != "kept" {
			t.Errorf("file left in VMRUN_OUT: %q, %v; named %v", got, err, r.Files)
		}
		t.Logf("booted in %v, %v in all", r.Boot.Round(time.Millisecond), r.Total.Round(time.Millisecond))
	})
}

// What goes wrong in a guest is told: by the exit code if it is the program's
// fault, else by an error with the kernel's words.
func TestTroubleInBoot(t *testing.T) {
	eachKernel(t, func(t *testing.T, b tools) {
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
			r := b.run(t, func(c *Config) {
				if test.what == "hang" {
					c.Timeout = 2 * time.Second
				}
			}, test.what)
			if (r.err != nil) != (test.err != "") || r.err != nil && !strings.Contains(r.err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.what, r.err, test.err)
			}
			if r.Code != test.code {
				t.Errorf("%s: exit code %d, want %d", test.what, r.Code, test.code)
			}
			if !strings.Contains(r.stderr, test.says) {
				t.Errorf("%s: stderr %q, want %q in it", test.what, r.stderr, test.says)
			}
		}
	})
}

// As the runner of go test it gives back what go test asks for.
func TestExecInBoot(t *testing.T) {
	eachKernel(t, func(t *testing.T, b tools) {
		profile := filepath.Join(t.TempDir(), "c.out")
		cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-exec", b.runner+" -k "+b.kernel.Series,
			"-coverprofile="+profile, "../printable")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+b.kernel.series.arch.name)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "coverage: ") {
			t.Errorf("go test: %v, printed\n%s", err, out)
		}
		if got, err := os.ReadFile(profile); err != nil || !strings.Contains(string(got), "/printable/") {
			t.Errorf("profile %q, %v", got, err)
		}
	})
}

// The runner dies, and QEMU with it.
func TestQEMUDiesWithTheRunnerInBoot(t *testing.T) {
	eachKernel(t, func(t *testing.T, b tools) {
		if !b.kernel.series.arch.native() {
			return // the first child is the go command; nothing else differs
		}
		cmd := exec.Command(b.runner, "-cache", b.cache, "-k", b.kernel.Series, b.guest, "hang")
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
	})
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
