package probe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/bpf"
)

// Options say how to watch. The zero value watches with the defaults.
type Options struct {
	// RingSize is the size of the ring buffer in bytes: a power of two and a
	// multiple of the page size. 0 means DefaultRingSize.
	RingSize int
	// InventoryOnly loads no tracepoint programs: the Source reports what is
	// there and ends.
	InventoryOnly bool
	// NoInventory does not look for the sockets that exist already.
	NoInventory bool
	// BTF names a file with the running kernel's types, for where BTFPath is
	// hidden. "" is BTFPath.
	BTF string
	// TimeWait says how to watch mini-sockets.
	TimeWait TimeWait

	// Ancestor is the process, in this process's pid namespace, of which the
	// descendants' events are marked (model.Descendant); 0 for none. It needs TaskBTF.
	Ancestor uint32
	// Stacks asks for the stack of whoever connects or accepts: see Stack.
	Stacks bool
	// Lives asks for one record for each life, once it is over, in place of events: see
	// Live.Life. It makes no inventory.
	Lives bool

	without  func(*Features) // tests take away what the kernel offers
	verifier ebpf.LogLevel   // and ask for the verifier's log
	lockdown bool            // programs must not read the kernel's memory
	kallsyms func(wanted func([]byte) bool) ([]code, error)
}

// DefaultRingSize is the ring buffer's size in bytes: room for about 50,000
// events.
const DefaultRingSize = 8 << 20

// Validate returns the first thing wrong with the options.
func (o *Options) Validate() error {
	if o.RingSize == 0 {
		return nil
	}
	page := os.Getpagesize()
	if o.RingSize < page || bits.OnesCount(uint(o.RingSize)) != 1 || o.RingSize > 1<<30 {
		return fmt.Errorf("check ring size %d: want a power of two from %d to %d bytes", o.RingSize, page, 1<<30)
	}
	return nil
}

// maxLives is how many sockets the kernel keeps histories of at a time; those of more
// are counted as lost.
const maxLives = 1 << 20

// Loss is something that this kernel or these privileges keep tcpwatch from
// seeing.
type Loss struct {
	What string // what is not seen
	Why  string
}

// Probe holds the loaded programs.
type Probe struct {
	Features Features
	Losses   []Loss

	options Options
	coll    *ebpf.Collection
	links   []link.Link
	iters   map[string]*link.Iter
	cpus    *ebpf.Memory
	ncpu    int
	timers  timers
	spares  spares

	readsMemory bool // programs may

	lastMisses  uint64 // of the state program, as of the newest reading
	otherMisses uint64 // of all others
}

// Load checks privileges and kernel, loads the programs and attaches them. An
// error that the user can do something about is an *UnusableError.
func Load(o Options) (*Probe, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.RingSize == 0 {
		o.RingSize = DefaultRingSize
	}
	if o.Lives {
		o.NoInventory, o.TimeWait, o.Stacks = true, TimeWaitOff, false
	}
	if err := checkUsable(o.BTF); err != nil {
		return nil, err
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, memlockError(err)
	}
	o.lockdown = lockedDown()
	if o.kallsyms == nil {
		o.kallsyms = readKallsyms
	}
	if o.BTF == "" {
		return loadHere(o)
	}
	raw, err := ReadTypes(o.BTF)
	if err != nil {
		return nil, err
	}
	var p *Probe
	err = withTypes(raw, func() (err error) {
		p, err = loadHere(o)
		return err
	})
	return p, err
}

// loadHere loads with the types that the calling thread finds at BTFPath.
func loadHere(o Options) (_ *Probe, err error) {
	functions := findFunctions(&o)
	defer func() { <-functions.done }()
	types := btf.NewCache() // decoding them takes longer than loading any program
	kernel, err := types.Kernel()
	if err != nil {
		return nil, fmt.Errorf("load kernel BTF: %w", err)
	}
	p := &Probe{options: o, Features: probeFeatures(kernel, types), iters: map[string]*link.Iter{}, spares: make(spares, 16)}
	if o.without != nil {
		o.without(&p.Features)
	}
	p.readsMemory = tryReadMemory(types) == nil
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	spec, err := p.spec()
	if err != nil {
		return nil, err
	}
	if err := p.load(spec, types); err != nil {
		return nil, err
	}
	if o.BTF != "" { // the kernel may read its own types only for the first program
		if err := checkTypes(kernel); err != nil {
			return nil, err
		}
	}
	if p.cpus, err = p.coll.Maps[bpf.TcpwatchMapCpus].Memory(); err != nil {
		return nil, fmt.Errorf("map counters: %w", err)
	}
	if err := p.attach(); err != nil {
		return nil, err
	}
	handler, err := p.findTimers(functions)
	if err != nil {
		return nil, err
	}
	if _, err := p.startTimers(handler); err != nil {
		p.lose(lifeOfTimeWait, err.Error())
	}
	return p, nil
}

// spec returns the embedded programs, set up for this kernel, without those it
// cannot have.
func (p *Probe) spec() (*ebpf.CollectionSpec, error) {
	spec, err := bpf.LoadTcpwatch()
	if err != nil {
		return nil, fmt.Errorf("read embedded programs: %w", err)
	}
	p.ncpu, err = ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	spec.Maps[bpf.TcpwatchMapCpus].MaxEntries = uint32(p.ncpu)
	spec.Maps[bpf.TcpwatchMapRing].MaxEntries = uint32(p.options.RingSize)
	if p.options.Lives {
		spec.Maps[bpf.TcpwatchMapLives].MaxEntries = maxLives
	}
	if p.options.Stacks {
		spec.Maps[bpf.TcpwatchMapStacks].MaxEntries = maxStacks
	}
	if err := p.setConstants(spec); err != nil {
		return nil, err
	}
	for _, prog := range programs {
		switch {
		case p.options.InventoryOnly, prog.timers && !p.options.wantTimers(), prog.stacks && !p.options.Stacks, prog.events && p.options.Lives:
			delete(spec.Programs, prog.name)
		case !p.Features.Hooks[prog.hook]:
			if prog.required {
				return nil, &UnusableError{
					Reason: "this kernel has no BTF-typed tracepoint " + prog.hook,
					Fix:    "use a kernel from 5.8 on with CONFIG_DEBUG_INFO_BTF=y",
				}
			}
			p.lose(prog.loses, "the kernel has no tracepoint "+prog.hook)
			delete(spec.Programs, prog.name)
		case (prog.timers || prog.stacks) && !p.readsMemory: // they would be refused, one by one
			p.lose(prog.loses, "programs may not read the kernel's memory (lockdown=confidentiality)")
			delete(spec.Programs, prog.name)
		case prog.storage && !p.Features.Has(SkStorage):
			p.lose(prog.loses, "the kernel has no "+SkStorage.String()+" ("+features[SkStorage].since+")")
			delete(spec.Programs, prog.name)
		}
	}
	if p.options.NoInventory {
		for _, name := range iterators {
			delete(spec.Programs, name)
		}
	}
	return spec, nil
}

func (p *Probe) lose(what, why string) { p.Losses = append(p.Losses, Loss{what, why}) }

func (p *Probe) setConstants(spec *ebpf.CollectionSpec) error {
	dev, ino, err := pidNamespace()
	if err != nil {
		return err
	}
	constants := map[string]any{
		bpf.TcpwatchVarPidnsDev: dev, bpf.TcpwatchVarPidnsIno: ino, bpf.TcpwatchVarTickNs: tick(),
		bpf.TcpwatchVarMayReadMemory: p.readsMemory,
		bpf.TcpwatchVarAncestor:      p.options.Ancestor,
		bpf.TcpwatchVarWantsStacks:   p.options.Stacks,
		bpf.TcpwatchVarWantsLives:    p.options.Lives,
		bpf.TcpwatchVarNrAccept:      uint32(unix.SYS_ACCEPT),
		bpf.TcpwatchVarNrAccept4:     uint32(unix.SYS_ACCEPT4),
	}
	for i := range features {
		if name := features[i].constant; name != "" {
			constants[name] = p.Features.Has(Feature(i))
		}
	}
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	p.Losses = append(p.Losses, p.Features.losses(false)...)
	return nil
}

// pidNamespace returns the device and inode of this process's pid namespace,
// or zeros if it is the initial one, in which the kernel needs no translation.
func pidNamespace() (dev, ino uint64, err error) {
	const initial = 0xEFFFFFFC // PROC_PID_INIT_INO, include/linux/proc_ns.h
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0, 0, fmt.Errorf("identify own pid namespace: %w", err)
	}
	if st.Ino == initial {
		return 0, 0, nil
	}
	return st.Dev, st.Ino, nil
}

// tick returns the length of a jiffy in ns: the resolution of the kernel's
// coarse clock.
func tick() uint64 {
	var ts unix.Timespec
	if unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts) != nil || ts.Nsec <= 0 {
		return 4_000_000 // CONFIG_HZ=250
	}
	return uint64(ts.Nano())
}

// load loads the maps, and then the programs, in three parts side by side.
func (p *Probe) load(spec *ebpf.CollectionSpec, types *btf.Cache) (err error) {
	mapsOnly := spec.Copy()
	clear(mapsOnly.Programs)
	if p.coll, err = ebpf.NewCollectionWithOptions(mapsOnly, ebpf.CollectionOptions{Cache: types}); err != nil {
		return loadError(err, &p.options)
	}
	inventory := func(name string) bool { return slices.Contains(iterators[:], name) }
	var parts [3]loaded
	var done sync.WaitGroup
	for i, among := range [len(parts)]func(name string) bool{
		inventory, ofTimers, func(name string) bool { return !inventory(name) && !ofTimers(name) },
	} {
		part := spec.Copy()
		maps.DeleteFunc(part.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !among(name) })
		done.Go(func() { parts[i].load(part, p.options, types, p.coll.Maps) })
	}
	done.Wait()
	for i := range parts {
		maps.Copy(p.coll.Programs, parts[i].programs)
		p.Losses = append(p.Losses, parts[i].losses...)
		err = cmp.Or(err, parts[i].err)
	}
	return err
}

// loaded is a part of the programs, which the kernel took, and what is not seen for
// those that it did not.
type loaded struct {
	programs map[string]*ebpf.Program
	losses   []Loss
	err      error
}

// load loads the programs of spec with maps that are there; one that the kernel refuses
// and that is not required becomes a stated loss. Fields are looked for in the types of
// the kernel alone: those of its modules take time to read, and no two loads may read
// them at once (cilium/ebpf 0.22).
func (l *loaded) load(spec *ebpf.CollectionSpec, o Options, types *btf.Cache, maps map[string]*ebpf.Map) {
	kernel, err := types.Kernel()
	if err != nil {
		l.err = fmt.Errorf("load kernel BTF: %w", err)
		return
	}
	for {
		coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
			Programs: ebpf.ProgramOptions{LogLevel: o.verifier, KernelTypes: kernel}, Cache: types, MapReplacements: maps,
		})
		if err == nil {
			l.programs = coll.Programs
			coll.Programs = nil
			coll.Close() // its own references to the maps
			return
		}
		refused := refusedProgram(spec, err)
		if refused == nil || refused.required {
			l.err = loadError(err, &o)
			return
		}
		l.losses = append(l.losses, Loss{refused.loses, refusal(err, o.lockdown)})
		delete(spec.Programs, refused.name)
	}
}

// refusedProgram returns the optional program that err is about.
func refusedProgram(spec *ebpf.CollectionSpec, err error) *program {
	var verifier *ebpf.VerifierError
	if !errors.As(err, &verifier) {
		return nil
	}
	for i := range programs {
		p := &programs[i]
		s, ok := spec.Programs[p.name]
		if !ok {
			continue
		}
		one := spec.Copy()
		for name := range one.Programs {
			if name != s.Name {
				delete(one.Programs, name)
			}
		}
		coll, err := ebpf.NewCollection(one)
		if err != nil {
			return p
		}
		coll.Close()
	}
	return nil
}

// attach begins to watch. What tells why a socket ended comes before what tells that it
// did: of an end that is seen, a reset before it was seen too. The state program's
// second copy comes after the first: where the kernel does not skip what nests, the
// first has then told that it ran.
func (p *Probe) attach() error {
	for _, prog := range slices.Concat(programs[rescueIndex+1:], programs[:rescueIndex+1]) {
		loaded, ok := p.coll.Programs[prog.name]
		if !ok || prog.timers {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: loaded})
		if err != nil && prog.required {
			return fmt.Errorf("attach %s to %s: %w", prog.name, prog.hook, err)
		}
		if err != nil {
			p.lose(prog.loses, fmt.Sprintf("the kernel refuses to attach: %v", err))
			continue
		}
		p.links = append(p.links, l)
	}
	for _, name := range iterators {
		loaded, ok := p.coll.Programs[name]
		if !ok {
			continue
		}
		it, err := link.AttachIter(link.IterOptions{Program: loaded})
		if err != nil {
			return fmt.Errorf("attach iterator %s: %w", name, err)
		}
		p.iters[name] = it
	}
	return nil
}

// detach stops the flow of events; what is in the ring stays readable.
func (p *Probe) detach() {
	for _, l := range p.links {
		_ = l.Close()
	}
	p.links = nil
}

// Close detaches and unloads everything.
func (p *Probe) Close() error {
	p.detach()
	for _, it := range p.iters {
		_ = it.Close()
	}
	p.iters = nil
	if p.coll != nil {
		p.coll.Close()
	}
	return nil
}

// Attached returns the names of the tracepoints that report.
func (p *Probe) Attached() []string {
	var hooks []string
	for _, prog := range programs {
		if prog.timers && !p.TimersOn() {
			continue
		}
		if _, ok := p.coll.Programs[prog.name]; ok && !slices.Contains(hooks, prog.hook) {
			hooks = append(hooks, prog.hook)
		}
	}
	return hooks
}
