package probe

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// try finds out about a feature by loading the smallest program that needs it.
func (f *feature) try(types *btf.Cache) Answer {
	if f.attempt == nil {
		return CannotTell
	}
	err := f.attempt(types)
	if err == nil {
		return Yes
	}
	// What the verifier says of a program that it has looked at, or of a helper or
	// tracepoint that it does not know.
	for _, no := range []error{unix.EINVAL, unix.EACCES, ebpf.ErrNotSupported} {
		if errors.Is(err, no) {
			return No
		}
	}
	return CannotTell // as without privilege or memory
}

// tryProgram loads a program and unloads it.
func tryProgram(types *btf.Cache, attachType ebpf.AttachType, to string, body ...asm.Instruction) error {
	coll, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"attempt": {
		Type: ebpf.Tracing, AttachType: attachType, AttachTo: to, License: "Dual BSD/GPL",
		Instructions: append(body, asm.Mov.Imm(asm.R0, 0), asm.Return()),
	}}}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return err
	}
	coll.Close()
	return nil
}

// firstArgument loads the first argument of a tracepoint.
func firstArgument(to asm.Register) asm.Instruction { return asm.LoadMem(to, asm.R1, 0, asm.DWord) }

func tryCookieHelper(types *btf.Cache) error {
	return tryProgram(types, ebpf.AttachTraceRawTp, "inet_sock_set_state",
		firstArgument(asm.R1), asm.FnGetSocketCookie.Call())
}

func tryTaskBTF(types *btf.Cache) error {
	return tryProgram(types, ebpf.AttachTraceRawTp, "inet_sock_set_state", asm.FnGetCurrentTaskBtf.Call())
}

// tryReadMemory reads the kernel's memory, which lockdown=confidentiality forbids.
func tryReadMemory(types *btf.Cache) error {
	return tryProgram(types, ebpf.AttachTraceRawTp, "inet_sock_set_state",
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 8), asm.Mov.Imm(asm.R3, 0),
		asm.FnProbeReadKernel.Call())
}

func trySkStorage(types *btf.Cache) error {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.SkStorage, KeySize: 4, ValueSize: 4, Key: number, Value: number, Flags: 1, // BPF_F_NO_PREALLOC
	})
	if err != nil {
		return err
	}
	defer m.Close()
	return tryProgram(types, ebpf.AttachTraceRawTp, "inet_sock_set_state",
		firstArgument(asm.R2), asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0), asm.FnSkStorageGet.Call())
}

func trySockFromFile(types *btf.Cache) error {
	const file = 24 // struct bpf_iter__task_file: three words before it
	return tryProgram(types, ebpf.AttachTraceIter, "task_file",
		asm.LoadMem(asm.R1, asm.R1, file, asm.DWord), asm.JEq.Imm(asm.R1, 0, "none"),
		asm.FnSockFromFile.Call(), asm.Mov.Imm(asm.R0, 0).WithSymbol("none"))
}

// tryArgument reads an argument of a tracepoint, counted from 0.
func tryArgument(hook string, index int16) func(*btf.Cache) error {
	return func(types *btf.Cache) error {
		return tryProgram(types, ebpf.AttachTraceRawTp, hook, asm.LoadMem(asm.R2, asm.R1, 8*index, asm.DWord))
	}
}
