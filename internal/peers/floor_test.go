package peers

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/tcpwatch/tcpwatch/events"
)

const hook = "inet_sock_set_state"

// empty is a program that does nothing: what the hook itself costs.
func empty(t testing.TB) *ebpf.Program {
	return attach(t, "floor_empty", asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	})
}

// reserveAndSubmit hands over a record of our size without filling it and
// without waking anyone: what any tool with a ring buffer costs at least.
func reserveAndSubmit(t testing.TB) *ebpf.Program { return handOver(t, "floor_submit", nil) }

// fullRecord hands over a record that is written, once each helper was called that the
// content of ours needs (the time, who acts, the socket as a TCP socket), but without a
// look at the socket: what a full record costs at least.
func fullRecord(t testing.TB) *ebpf.Program {
	code := asm.Instructions{
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.R7, 0, asm.R0, asm.DWord),
		asm.FnGetCurrentPidTgid.Call(),
		asm.StoreMem(asm.R7, 8, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Add.Imm(asm.R1, 16),
		asm.Mov.Imm(asm.R2, 16),
		asm.FnGetCurrentComm.Call(),
		asm.LoadMem(asm.R1, asm.R6, 0, asm.DWord),
		asm.FnSkcToTcpSock.Call(),
		asm.Mov.Imm(asm.R0, 0),
	}
	for at := int16(32); at < events.Size; at += 8 {
		code = append(code, asm.StoreMem(asm.R7, at, asm.R0, asm.DWord))
	}
	return handOver(t, "floor_record", code)
}

// handOver reserves a record of our size, runs code with the context in R6 and the
// record in R7, and submits it.
func handOver(t testing.TB, name string, code asm.Instructions) *ebpf.Program {
	ring, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: 8 << 20})
	if err != nil {
		t.Fatalf("create ring: %v", err)
	}
	drain(t, ring)
	const noWakeup = 1
	before := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapPtr(asm.R1, ring.FD()),
		asm.Mov.Imm(asm.R2, events.Size),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R7, asm.R0),
	}
	after := asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Imm(asm.R2, noWakeup),
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
	return attach(t, name, slices.Concat(before, code, after))
}

func attach(t testing.TB, name string, code asm.Instructions) *ebpf.Program {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: hook,
		License: "Dual BSD/GPL", Instructions: code,
	})
	if err != nil {
		t.Fatalf("load %s: %v", name, err)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		t.Fatalf("attach %s: %v", name, err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = prog.Close()
	})
	return prog
}

// drain reads a ring at the pace of tcpwatch's reader, and looks at nothing.
func drain(t testing.TB, ring *ebpf.Map) {
	reader, err := ringbuf.NewReader(ring)
	if err != nil {
		t.Fatalf("map ring: %v", err)
	}
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		var rec ringbuf.Record
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			reader.SetDeadline(time.Unix(1, 0))
			for {
				if err := reader.ReadInto(&rec); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						return
					}
					break
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		_ = reader.Close()
		_ = ring.Close()
	})
}

// cost returns the run time and the runs of the programs with these names.
func cost(names ...string) (time.Duration, uint64, error) {
	var total time.Duration
	var runs uint64
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return total, runs, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("list programs: %w", err)
		}
		id = next
		prog, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone since
		}
		info, err := prog.Info()
		if err == nil {
			for i, name := range names {
				if info.Name != name {
					continue
				}
				if stats, err := prog.Stats(); err == nil {
					total += stats.Runtime
					if i == 0 {
						runs += stats.RunCount
					}
				}
			}
		}
		_ = prog.Close()
	}
}
