package probe

import (
	"encoding/binary"
	"fmt"
)

// Counters say what became of the events of one kernel program. The sums hold
// exactly whenever nothing is in flight:
//
//	fired = Seen + Nested
//	Seen  = Filtered + Lost + delivered to the reader
//
// Of the timers' hooks, which fire for every timer of the machine, only the
// firings for mini-sockets are in the first sum. None of them can nest: the
// kernel starts and cancels timers with interrupts off, and lets them expire one
// after the other (kernel/time/timer.c); a miss of any other timer would count.
type Counters struct {
	Program  string
	Hook     string
	Seen     uint64 // times the program ran
	Filtered uint64 // not a TCP socket's, or told of by another event
	Lost     uint64 // no room in the ring
	Nested   uint64 // skipped by the kernel, because it was running on that CPU, and not rescued
	Rescued  uint64 // skipped by the kernel, and recorded by the second copy
}

// The layout of struct cpu and struct counters in bpf/: three words for each
// program, then three words of its own.
const (
	wordsPerProgram = 3
	cpuSize         = (len(programs)*wordsPerProgram + 3) * 8
)

// Counters returns the counters of each attached program, the rescuing copy
// folded into the one it rescues.
func (p *Probe) Counters() ([]Counters, error) {
	sums, err := p.sums()
	if err != nil {
		return nil, err
	}
	var all []Counters
	for i, prog := range programs {
		if _, ok := p.coll.Programs[prog.name]; !ok || i == rescueIndex {
			continue
		}
		misses, err := p.misses(i)
		if err != nil {
			return nil, err
		}
		c := Counters{Program: prog.name, Hook: prog.hook, Seen: sums[i][0], Filtered: sums[i][1], Lost: sums[i][2]}
		if i == stateIndex {
			r := sums[rescueIndex]
			c.Seen += r[0]
			c.Filtered += r[1]
			c.Lost += r[2]
			c.Rescued = r[0]
		}
		c.Nested = misses - min(misses, c.Rescued)
		all = append(all, c)
	}
	return all, nil
}

// maxReadings bounds how often missing waits for the misses to stand still.
const maxReadings = 8

// sums adds up the counters of all CPUs.
func (p *Probe) sums() (sums [len(programs)][wordsPerProgram]uint64, err error) {
	var b [cpuSize]byte
	for cpu := range p.ncpu {
		if _, err := p.cpus.ReadAt(b[:], int64(cpu*cpuSize)); err != nil {
			return sums, fmt.Errorf("read counters: %w", err)
		}
		for i := range sums {
			for j := range sums[i] {
				sums[i][j] += binary.NativeEndian.Uint64(b[(i*wordsPerProgram+j)*8:])
			}
		}
	}
	return sums, nil
}

// misses returns how often the kernel skipped a program because it was already
// running on that CPU (bpf_prog_info.recursion_misses, Linux 5.12).
func (p *Probe) misses(i int) (uint64, error) {
	prog, ok := p.coll.Programs[programs[i].name]
	if !ok {
		return 0, nil
	}
	stats, err := prog.Stats()
	if err != nil {
		return 0, fmt.Errorf("read statistics of program %s: %w", programs[i].name, err)
	}
	return stats.RecursionMisses, nil
}

// missing returns the events lost so far: in the ring, and by nesting. Asking
// the kernel for misses costs a system call per program, so but for the state
// program, whose misses break continuity, that is left to all.
//
// A miss that is about to be rescued looks like a loss for some nanoseconds:
// when the misses have changed, they are read until they stand still around
// the reading of what was rescued. Under a storm of misses they may not: then
// those that came during the last reading are left for the next.
func (p *Probe) missing(all bool) (ring, nested uint64, err error) {
	before, err := p.stateMisses()
	if err != nil {
		return 0, 0, err
	}
	sums, err := p.sums()
	if err != nil {
		return 0, 0, err
	}
	for tries := 0; before != p.lastMisses && tries < maxReadings; tries++ {
		p.lastMisses = before
		if sums, err = p.sums(); err != nil {
			return 0, 0, err
		}
		if before, err = p.stateMisses(); err != nil {
			return 0, 0, err
		}
	}
	for _, s := range sums {
		ring += s[2]
	}
	if all {
		if p.otherMisses, err = p.missesOfOthers(); err != nil {
			return 0, 0, err
		}
	}
	return ring, p.otherMisses + p.lastMisses - min(p.lastMisses, sums[rescueIndex][0]), nil
}

func (p *Probe) stateMisses() (uint64, error) { return p.misses(stateIndex) }

// missesOfOthers leaves out a program that sees the end of every system call: what
// it misses is nearly never an accept(), and then one stack is not known.
func (p *Probe) missesOfOthers() (n uint64, err error) {
	for i := range programs {
		if i == rescueIndex || i == stateIndex || programs[i].stacks {
			continue
		}
		m, err := p.misses(i)
		if err != nil {
			return 0, err
		}
		n += m
	}
	return n, nil
}
