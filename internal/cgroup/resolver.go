package cgroup

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
)

const (
	maxProcesses = 8192     // remembered; with more than that it begins anew
	maxFile      = 64 << 10 // bytes read of /proc/PID/cgroup
	// Of /proc/PID/stat: USER_HZ is 100 on every architecture of today.
	tickNS = 1_000_000_000 / 100
	// fresh is how long after it was last looked at a pid is taken to be the same
	// process's, in ns. The kernel gives pids out in turn: for another process to
	// have it by then, all the others would have to be given out within a second.
	fresh = uint64(time.Second)
)

// Resolver finds out where the processes that own sockets run. It is safe for
// concurrent use.
//
// A pid names a process only for as long as that lives. Whoever asks says when
// the pid was seen to be the owner's: a process that started later has the
// number by chance, and is not told of.
type Resolver struct {
	root    string
	cmdline bool
	mu      sync.Mutex
	known   map[uint32]known
}

// never is the start of a process that is not there.
const never = ^uint64(0)

// known is a process as it was looked at, or that there is none.
type known struct {
	start   uint64 // ns since boot, rounded down to 10 ms
	looked  uint64 // ns since boot
	process *events.Process
}

// Options of a Resolver.
type Options struct {
	Root    string // where procfs is; "" means /proc
	Cmdline bool   // read command lines too
}

// NewResolver returns an empty Resolver.
func NewResolver(o Options) *Resolver {
	if o.Root == "" {
		o.Root = "/proc"
	}
	return &Resolver{root: o.Root, cmdline: o.Cmdline, known: map[uint32]known{}}
}

// Known returns the process that had pid at the time seen, in ns since boot, as
// far as it has been looked at; nil if that is not known. It reads nothing.
func (r *Resolver) Known(pid uint32, seen uint64) *events.Process {
	if pid == 0 {
		return nil // in no pid namespace that is visible here
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[pid]
	if !ok || k.start > seen || seen > k.looked+fresh {
		return nil
	}
	return k.process
}

// Look looks at the process that has pid now, unless it is Known, and returns it
// if it has had the pid since seen, else nil.
func (r *Resolver) Look(pid uint32, seen uint64) *events.Process {
	if pid == 0 {
		return nil
	}
	if p := r.Known(pid, seen); p != nil {
		return p
	}
	r.mu.Lock()
	k, ok := r.known[pid]
	r.mu.Unlock()
	if ok && k.start > seen && seen <= k.looked && now() < k.looked+fresh {
		return nil // it was not there a moment ago
	}
	dir := filepath.Join(r.root, strconv.FormatUint(uint64(pid), 10))
	start, err := startTime(dir)
	if err != nil { // it has ended
		if !ok || k.process == nil {
			r.remember(pid, known{start: never, looked: now()})
		}
		return nil
	}
	if !ok || k.start != start {
		k = known{start: start, process: r.read(dir)}
	}
	// The files were read one after the other: they are of one process only if it
	// still has the pid.
	if again, err := startTime(dir); err != nil || again != start {
		return nil
	}
	k.looked = now()
	r.remember(pid, k)
	if start > seen {
		return nil
	}
	return k.process
}

func (r *Resolver) remember(pid uint32, k known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxProcesses {
		clear(r.known)
	}
	r.known[pid] = k
}

func (r *Resolver) read(dir string) *events.Process {
	var p events.Process
	if text, err := readSome(filepath.Join(dir, "cgroup"), maxFile); err == nil {
		place := Parse(string(text))
		p.Container, p.Unit = place.Container, place.Unit
	}
	if r.cmdline {
		// Longer by one byte than what is kept: the last argument's end counts too.
		if text, err := readSome(filepath.Join(dir, "cmdline"), events.MaxCmdline+1); err == nil {
			p.Cmdline = arguments(text)
		}
	}
	return &p
}

// arguments joins what /proc/PID/cmdline holds, each ended by a NUL.
func arguments(text []byte) string {
	text = bytes.TrimRight(text, "\x00")
	text = text[:min(len(text), events.MaxCmdline)]
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// startTime returns when a process started, in ns since boot, rounded down to a
// tick: field 22 of /proc/PID/stat (proc_pid_stat(5)).
func startTime(dir string) (uint64, error) {
	text, err := readSome(filepath.Join(dir, "stat"), 4096)
	if err != nil {
		return 0, err
	}
	// The second field is the name, in parentheses, and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const started = 22 - 3 // the first field after the name is the third
	if len(fields) <= started {
		return 0, fmt.Errorf("parse %s/stat: %d fields after the name", dir, len(fields))
	}
	ticks, err := strconv.ParseUint(fields[started], 10, 64)
	if err != nil || ticks > 1<<63/tickNS {
		return 0, fmt.Errorf("parse %s/stat: start time %q", dir, fields[started])
	}
	return ticks * tickNS, nil
}

func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// now returns the time since boot in ns, on the clock of the events.
func now() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail for this clock
	return uint64(ts.Nano())
}
