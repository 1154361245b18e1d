package probe

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// firings counts, by the kernel's perf events, how often a tracepoint was hit
// on the whole machine, for whatever protocol. It shares nothing with BPF.
type firings []int // a descriptor per processor

// countFirings begins to count a tracepoint, named as in sock/inet_sock_set_state.
func countFirings(t *testing.T, name string) firings {
	t.Helper()
	kerneltest.RequireRoot(t)
	text, err := os.ReadFile(filepath.Join("/sys/kernel/tracing/events", name, "id"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id}
	attr.Size = uint32(unsafe.Sizeof(attr))
	var f firings
	t.Cleanup(func() {
		for _, fd := range f {
			_ = unix.Close(fd)
		}
	})
	for _, cpu := range onlineCPUs(t) {
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			t.Fatalf("count %s on processor %d: %v", name, cpu, err)
		}
		f = append(f, fd)
	}
	return f
}

// total returns how often it was hit since countFirings.
func (f firings) total(t *testing.T) (n uint64) {
	t.Helper()
	for _, fd := range f {
		var b [8]byte
		if _, err := unix.Read(fd, b[:]); err != nil {
			t.Fatalf("read perf event: %v", err)
		}
		n += binary.NativeEndian.Uint64(b[:])
	}
	return n
}

// onlineCPUs reads a list such as 0-3,8.
func onlineCPUs(t *testing.T) (cpus []int) {
	t.Helper()
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			t.Fatalf("online processors %q", text)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
