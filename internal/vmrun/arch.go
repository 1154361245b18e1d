package vmrun

import (
	"debug/elf"
	"runtime"
)

// arch is a processor architecture that guests have.
type arch struct {
	name    string // as Go and Debian call it
	machine elf.Machine
	qemu    string   // the program
	board   []string // its arguments
	emulate []string // its arguments without hardware virtualisation
	// frames is QEMU's device of the second serial line, whose character device
	// is called frames, and tty what the guest calls it. The first is the console.
	frames []string
	tty    string
	// kernel is what the command line has for this architecture alone.
	kernel string
}

// amd64's emulation with several threads, or with cmpxchg16b, crashes guests in
// QEMU 7.2, in ways that look like faults of the programs under test.
var amd64 = arch{
	name:    "amd64",
	machine: elf.EM_X86_64,
	qemu:    "qemu-system-x86_64",
	board:   []string{"-M", "q35"},
	emulate: []string{"-accel", "tcg,thread=single", "-cpu", "max,-cx16"},
	frames:  []string{"-serial", "chardev:frames"},
	tty:     "/dev/ttyS1",
	kernel:  "console=ttyS0 no_timer_check tsc=reliable",
}

// arm64's pointer authentication by the book makes emulation of all there is
// take thrice as long: QEMU may do it in a way of its own.
var arm64 = arch{
	name:    "arm64",
	machine: elf.EM_AARCH64,
	qemu:    "qemu-system-aarch64",
	board:   []string{"-M", "virt"},
	emulate: []string{"-accel", "tcg,thread=single", "-cpu", "max,pauth-impdef=on"},
	frames:  []string{"-device", "pci-serial,chardev=frames"}, // the board has but one line
	tty:     "/dev/ttyS0",
	kernel:  "console=ttyAMA0",
}

// native reports whether programs of this architecture run on this machine.
func (a *arch) native() bool { return a.name == runtime.GOARCH }

// accelArgs choose hardware virtualisation where it is real. /dev/kvm alone
// says nothing: it opens on hosts that cannot run a stock kernel.
func (a *arch) accelArgs(kvm bool) []string {
	if kvm {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return a.emulate
}
