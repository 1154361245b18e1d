package kerneltest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// WitnessOptions says what a Witness records.
type WitnessOptions struct {
	// BufferKB is the buffer per processor, in KiB. A record takes 80 to 100
	// bytes. 0 is 16 MiB, less on a machine with many processors.
	BufferKB int
	// Filter chooses among the transitions, in the kernel's filter language over
	// the fields of inet_sock_set_state: `sport == 5000 || dport == 5000`.
	// Transitions of other protocols than TCP are never recorded.
	Filter string
	// Also lists further tracepoints, recorded without a filter: DestroySock, …
	Also []string
	// Only names further tracepoints with a filter of each over its own fields.
	Only map[string]string
	// Drain is how often to empty the kernel's buffers meanwhile, so that they
	// need not hold everything: a busy neighbour fills them too. 0 is every 20 ms
	// with the default buffer, and with one of the test's own size only when the
	// test asks for the record; below 0 is the latter always.
	Drain time.Duration
}

// Witness is a record, made by the kernel's own tracing without any code of
// tcpwatch, of the state transitions of every TCP socket on the machine.
//
// It reads the kernel's binary records rather than the text: the text has
// neither the address of the socket nor nanoseconds.
type Witness struct {
	t       testing.TB
	dir     instance
	cpus    []cpuBuffer
	formats map[uint16]tracepoint // by common_type

	drainer chan struct{} // closed to end the one in the background, if any
	drained sync.WaitGroup

	mu     sync.Mutex // held to drain
	events []Event
	page   []byte
	err    error // the first, which stays: the record has a hole
}

// tracepoint is one that the witness records.
type tracepoint struct {
	name string // SetState, …
	*format
}

// cpuBuffer is one processor's part of the record.
type cpuBuffer struct {
	number int
	stats  string // path
	raw    int    // a descriptor of trace_pipe_raw that does not block; an os.File would make it block
}

// guestBufferKB bounds the buffer per processor in a guest: room for 80,000 records.
const guestBufferKB = 8 << 10

// NewWitness starts a record, which ends with the test.
func NewWitness(t testing.TB, o WitnessOptions) *Witness {
	t.Helper()
	RequireRoot(t)
	w := &Witness{t: t, dir: newInstance(t), formats: make(map[uint16]tracepoint), page: make([]byte, maxPage)}
	t.Cleanup(w.close)
	if o.BufferKB == 0 {
		o.BufferKB = defaultBufferKB()
		if o.Drain == 0 {
			o.Drain = defaultDrain
		}
	}
	if Guest() != "" { // less memory, of which the last instance's may not be free yet, and less to record
		o.BufferKB = min(o.BufferKB, guestBufferKB)
	}
	if err := w.start(o); err != nil {
		t.Fatalf("start witness: %v", err)
	}
	if o.Drain > 0 {
		w.drainer = make(chan struct{})
		w.drained.Go(func() { w.drainEvery(o.Drain) })
	}
	return w
}

const defaultDrain = 20 * time.Millisecond

// maxPage is the largest page of a trace buffer that can be read, in bytes.
const maxPage = 64 << 10

func (w *Witness) start(o WitnessOptions) error {
	if err := w.dir.set("trace_clock", "boot"); err != nil {
		return err
	}
	if err := w.dir.set("buffer_size_kb", strconv.Itoa(o.BufferKB)); err != nil {
		return err
	}
	if err := w.openBuffers(); err != nil {
		return err
	}
	for _, name := range o.Also {
		if err := w.enable(name, ""); err != nil {
			return err
		}
	}
	for name, filter := range o.Only {
		if err := w.enable(name, filter); err != nil {
			return err
		}
	}
	filter := fmt.Sprintf("protocol == %d", unix.IPPROTO_TCP)
	if o.Filter != "" {
		filter += " && (" + o.Filter + ")"
	}
	return w.enable(SetState, filter)
}

// enable starts recording a tracepoint.
func (w *Witness) enable(name, filter string) error {
	events := filepath.Join("events", name)
	f, err := readFormat(filepath.Join(string(w.dir), events))
	if err != nil {
		return err
	}
	w.formats[f.id] = tracepoint{name, f}
	if filter != "" {
		if err := w.dir.set(filepath.Join(events, "filter"), filter); err != nil {
			return err
		}
	}
	return w.dir.set(filepath.Join(events, "enable"), "1")
}

func (w *Witness) openBuffers() error {
	dirs, err := w.dir.cpus()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "cpu"))
		if err != nil {
			return err
		}
		raw, err := unix.Open(filepath.Join(dir, "trace_pipe_raw"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open trace_pipe_raw: %w", err)
		}
		w.cpus = append(w.cpus, cpuBuffer{number: n, stats: filepath.Join(dir, "stats"), raw: raw})
	}
	return nil
}

// close ends the record; the instance is removed after it.
func (w *Witness) close() {
	if w.drainer != nil {
		close(w.drainer)
		w.drained.Wait()
	}
	_ = w.dir.set("tracing_on", "0") // removing the instance stops it too
	for _, c := range w.cpus {
		_ = unix.Close(c.raw)
	}
}

// Stop ends the record: what happens from now on is not in it.
func (w *Witness) Stop() {
	w.t.Helper()
	if err := w.dir.set("tracing_on", "0"); err != nil {
		w.t.Fatalf("stop witness: %v", err)
	}
}

// Events returns everything recorded so far, in the order of time. It fails the
// test if the kernel had to drop a record. The next call returns the same again
// and what came since.
func (w *Witness) Events() []Event {
	w.t.Helper()
	all, err := w.Record()
	if err != nil {
		w.t.Fatalf("read witness: %v", err)
	}
	return all
}

// Record is Events for goroutines that cannot end the test, such as those of
// its subtests.
func (w *Witness) Record() ([]Event, error) {
	if err := w.drain(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events), nil
}

// Counts returns how often each transition was recorded so far, by old and new
// state. It fails the test as Events does.
func (w *Witness) Counts() map[[2]string]int {
	w.t.Helper()
	if err := w.drain(); err != nil {
		w.t.Fatalf("read witness: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := make(map[[2]string]int)
	for i := range w.events {
		if e := &w.events[i]; e.Name == SetState {
			counts[[2]string{e.Old, e.New}]++
		}
	}
	return counts
}

// Await waits until the record satisfies enough.
func (w *Witness) Await(timeout time.Duration, enough func([]Event) bool, what string) []Event {
	w.t.Helper()
	var all []Event
	Eventually(w.t, timeout, func() bool { all = w.Events(); return enough(all) }, what)
	return all
}

// drainEvery drains until drainer is closed, or an error, which the next call
// of the test's reports.
func (w *Witness) drainEvery(d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-w.drainer:
			return
		case <-tick.C:
			if w.drain() != nil {
				return
			}
		}
	}
}

// drain moves what the kernel has recorded to w.events, in the order of time.
func (w *Witness) drain() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.events)
	for _, c := range w.cpus {
		if w.err != nil {
			return w.err
		}
		if err := w.drainCPU(c); err != nil {
			w.err = fmt.Errorf("processor %d: %w", c.number, err)
		}
	}
	if len(w.events) > before {
		slices.SortStableFunc(w.events, func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })
	}
	return w.err
}

// drainCPU reads a processor's pages until none is left, then asks whether
// records were lost.
func (w *Witness) drainCPU(c cpuBuffer) error {
	for {
		n, err := retry(func() (int, error) { return unix.Read(c.raw, w.page) })
		if n == 0 || errors.Is(err, unix.EAGAIN) {
			return lost(c.stats)
		}
		if err != nil {
			return err
		}
		var damaged error
		err = eachRecord(w.page[:n], func(ns uint64, record []byte) {
			damaged = cmp.Or(damaged, w.add(c.number, ns, record))
		})
		if err := cmp.Or(err, damaged); err != nil {
			return err
		}
	}
}

// add decodes a record.
func (w *Witness) add(cpu int, ns uint64, record []byte) error {
	if len(record) < 2 {
		return fmt.Errorf("record of %d bytes", len(record))
	}
	id := binary.NativeEndian.Uint16(record)
	f, ok := w.formats[id]
	if !ok {
		return fmt.Errorf("record of tracepoint %d, which was not asked for", id)
	}
	e := reader{f.format, record}.event()
	e.Name, e.CPU, e.Time = f.name, cpu, time.Duration(ns)
	w.events = append(w.events, e)
	return nil
}

// lost returns an error if a stats file counts records that were dropped.
func lost(stats string) error {
	text, err := os.ReadFile(stats)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		what, count, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch what {
		case "overrun", "commit overrun", "dropped events":
			if count != "0" {
				return fmt.Errorf("%s: %s: records are missing, the buffer is too small", what, count)
			}
		}
	}
	return nil
}
