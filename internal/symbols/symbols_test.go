package symbols

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// own returns this test's stack, as the kernel would record it.
//
//go:noinline
func own() []uint64 {
	pcs := make([]uintptr, 64)
	pcs = pcs[:runtime.Callers(1, pcs)]
	out := make([]uint64, 0, len(pcs))
	for _, pc := range pcs {
		out = append(out, uint64(pc))
	}
	return out
}

// A Go program's stack is named with its lines.
func TestGoProgram(t *testing.T) {
	frames := New("").Frames(uint32(os.Getpid()), own())
	if len(frames) < 3 {
		t.Fatalf("%d frames", len(frames))
	}
	for i, want := range []string{"/internal/symbols.own", "/internal/symbols.TestGoProgram", "testing.tRunner"} {
		if f := &frames[i]; !strings.HasSuffix(f.Function, want) || f.Line == 0 || !strings.HasSuffix(f.File, ".go") {
			t.Errorf("frame %d: %v, want %s", i, f, want)
		}
	}
}

const program = `
#include <stdio.h>
#include <unistd.h>
namespace deep { struct Server {
	__attribute__((noinline)) void *serve(int) { return __builtin_return_address(0); }
	__attribute__((noinline)) void *run() { void *p = serve(1); asm volatile(""); return p; }
}; }
int main() {
	deep::Server s;
	printf("%llx\n", (unsigned long long)s.run());
	fflush(stdout);
	getchar();
}
`

// So is one in C++, with names as they are in the source, whether it has a symbol
// table, or only the names that it exports, which do not include this one.
func TestCPlusPlusProgram(t *testing.T) {
	kerneltest.NeedProgram(t, "g++")
	for name, c := range map[string]struct{ flags, want string }{
		"with symbols": {"-g0", "deep::Server::run+"},
		"stripped":     {"-s", "0x"},
	} {
		t.Run(name, func(t *testing.T) {
			exe := filepath.Join(t.TempDir(), "served")
			build := exec.Command("g++", "-O0", c.flags, "-x", "c++", "-o", exe, "-")
			build.Stdin = strings.NewReader(program)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("g++: %v: %s", err, out)
			}
			cmd := exec.Command(exe)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stdin.Close(); _ = cmd.Wait() }()
			line := make([]byte, 64)
			n, err := stdout.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			address := parseHex(t, string(bytes.TrimSpace(line[:n])))
			got := New("").Frames(uint32(cmd.Process.Pid), []uint64{address})[0]
			if s := got.String(); !strings.HasPrefix(s, c.want) || !strings.HasSuffix(s, "(served)") {
				t.Errorf("%s, want %s… (served)", s, c.want)
			}
		})
	}
}

func parseHex(t *testing.T, s string) (v uint64) {
	t.Helper()
	for _, r := range s {
		d := strings.IndexRune("0123456789abcdef", r)
		if d < 0 {
			t.Fatalf("address %q", s)
		}
		v = v<<4 | uint64(d)
	}
	return v
}

// What is not there has no name: no process, no code at the address.
func TestUnknown(t *testing.T) {
	r := New(t.TempDir())
	if f := r.Frames(1, []uint64{0x1234, 0}); f[0].String() != "0x1234" || f[1].String() != "0x0" {
		t.Errorf("%v", f)
	}
	if f := New("").Frames(uint32(os.Getpid()), []uint64{1}); f[0].String() != "0x1" {
		t.Errorf("%v", f)
	}
}

func TestParseMaps(t *testing.T) {
	const text = `7f2a000-7f2b000 r-xp 00001000 fd:01 1234      /usr/lib/x y.so (deleted)
7f29000-7f2a000 r--p 00000000 fd:01 1234      /usr/lib/x y.so
7f00000-7f01000 r-xp 00000000 00:00 0         [vdso]
7f10000-7f11000 r-xp 00000000 00:00 0
400000-401000 r-xp 00000000 fd:01 9 /bin/a
junk
9-1 r-xp 0 fd:01 9 /bin/backwards
`
	all := parseMaps(strings.NewReader(text))
	if len(all) != 2 || all[0].path != "/bin/a" || all[1].path != "/usr/lib/x y.so" || all[1].offset != 0x1000 || all[1].identity.inode != "1234" {
		t.Errorf("%+v", all)
	}
}

// Whatever a process has mapped, reading it ends, and what it says is fit for a
// terminal.
func FuzzObject(f *testing.F) {
	exe, err := os.ReadFile("/bin/true")
	if err == nil {
		f.Add(exe[:min(len(exe), 4096)], uint64(0x1000))
		f.Add(exe, uint64(0x2000))
	}
	f.Fuzz(func(t *testing.T, data []byte, offset uint64) {
		o, err := readObject(bytes.NewReader(data))
		if err != nil {
			return
		}
		frame := Frame{Address: offset, Object: "x"}
		o.name(&frame, offset)
		if s := frame.String(); strings.ContainsAny(s, "\x1b\n") || len(s) > 4*maxName {
			t.Errorf("%q", s)
		}
	})
}

func FuzzMaps(f *testing.F) {
	f.Add("7f2a000-7f2b000 r-xp 00001000 fd:01 1234 /usr/lib/x.so\n")
	f.Fuzz(func(_ *testing.T, text string) { parseMaps(strings.NewReader(text)) })
}
