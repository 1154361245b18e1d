// Package symbols names the functions on the stacks of other processes.
package symbols

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// Frame is one place in a program: a return address, and what it is in.
type Frame struct {
	Address  uint64
	Function string // demangled; "" if not known
	Offset   uint64 // of the address in the function, where File is not known
	File     string // base name of the source, of Go programs
	Line     int
	Object   string // base name of the file that the code is from; "" if not known
}

// String returns it as a debugger prints it, fit for a terminal.
func (f *Frame) String() string {
	switch {
	case f.Function == "" && f.Object == "":
		return fmt.Sprintf("%#x", f.Address)
	case f.Function == "":
		return fmt.Sprintf("%#x (%s)", f.Address, printable.String(f.Object))
	case f.File != "":
		return printable.String(f.Function) + " (" + printable.String(f.File) + ":" + strconv.Itoa(f.Line) + ")"
	}
	return fmt.Sprintf("%s+%#x (%s)", printable.String(f.Function), f.Offset, printable.String(f.Object))
}

// Bounds of what is kept; beyond them everything is forgotten, and read again.
const (
	maxProcesses = 256
	maxObjects   = 256
)

// Resolver names addresses. It is not safe for concurrent use.
type Resolver struct {
	root      string // /proc
	processes map[uint32]*process
	objects   map[identity]*object
}

// New returns a Resolver that reads below root, /proc if empty.
func New(root string) *Resolver {
	if root == "" {
		root = "/proc"
	}
	return &Resolver{root: root, processes: map[uint32]*process{}, objects: map[identity]*object{}}
}

// Frames names return addresses of the process that has pid now, innermost first.
// The caller knows that it is the process that the addresses are of.
func (r *Resolver) Frames(pid uint32, addresses []uint64) []Frame {
	frames := make([]Frame, len(addresses))
	for i, address := range addresses {
		frames[i] = r.frame(pid, address)
	}
	return frames
}

// Forget drops what is known of a process: it may have ended.
func (r *Resolver) Forget(pid uint32) { delete(r.processes, pid) }

func (r *Resolver) frame(pid uint32, address uint64) Frame {
	f := Frame{Address: address}
	if address == 0 {
		return f
	}
	// A return address is behind its call, which may be the last of its function.
	const call = 1
	m := r.mapping(pid, address-call)
	if m == nil {
		return f
	}
	f.Object = filepath.Base(m.path)
	if o := r.object(pid, m); o != nil {
		o.name(&f, address-call-m.start+m.offset)
	}
	return f
}

// mapping finds the code that holds an address, and looks again once: a library
// may have been loaded meanwhile.
func (r *Resolver) mapping(pid uint32, address uint64) *mapping {
	p := r.processes[pid]
	if m := p.find(address); m != nil {
		return m
	}
	if p != nil && !p.stale() {
		return nil
	}
	if len(r.processes) >= maxProcesses {
		clear(r.processes)
	}
	p = readProcess(filepath.Join(r.root, strconv.FormatUint(uint64(pid), 10)))
	r.processes[pid] = p
	return p.find(address)
}

func (r *Resolver) object(pid uint32, m *mapping) *object {
	if o, ok := r.objects[m.identity]; ok {
		return o
	}
	if len(r.objects) >= maxObjects {
		clear(r.objects)
	}
	dir := filepath.Join(r.root, strconv.FormatUint(uint64(pid), 10))
	o := openObject(m.file(dir), filepath.Join(dir, "root", m.path), m.identity.inode)
	r.objects[m.identity] = o
	return o
}
