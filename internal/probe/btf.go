package probe

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// maxTypes bounds types in bytes: kernels have 3 to 8 MiB.
const maxTypes = 256 << 20

// ReadTypes reads a kernel's BTF from a file: as /sys/kernel/btf/vmlinux shows
// it, or the .BTF section of an ELF image.
func ReadTypes(file string) ([]byte, error) {
	raw, err := readTypes(file)
	if err != nil {
		return nil, fmt.Errorf("read BTF: %w", err)
	}
	if _, err := btf.LoadSpecFromReader(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("read BTF: %s holds none (an archive must be unpacked first): %w", file, err)
	}
	return raw, nil
}

func readTypes(name string) ([]byte, error) {
	if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() { // a pipe would block
		return nil, cmp.Or(err, fmt.Errorf("%s is no regular file", name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	magic := make([]byte, len(elf.ELFMAG))
	if n, _ := f.ReadAt(magic, 0); string(magic[:n]) == elf.ELFMAG { // a short file is no image
		return typesOfImage(f)
	}
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxTypes+1))
	if err == nil && len(raw) > maxTypes {
		err = fmt.Errorf("more than %d bytes, which no kernel has of types", maxTypes)
	}
	return raw, err
}

func typesOfImage(image io.ReaderAt) ([]byte, error) {
	f, err := elf.NewFile(image)
	if err != nil {
		return nil, err
	}
	section := f.Section(".BTF")
	if section == nil {
		return nil, errors.New("the image has no section .BTF")
	}
	return readBounded(section.Open())
}

// withTypes runs f on a thread that finds the given types where the kernel
// shows its own. The library that loads the programs looks nowhere else for the
// tracepoints, so the thread gets a mount namespace of its own, with which it
// ends. That needs CAP_SYS_ADMIN.
func withTypes(raw []byte, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
		err := showTypes(raw)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func showTypes(raw []byte) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("show BTF: unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("show BTF: make mounts private: %w", err)
	}
	// Neither sysfs nor what hides it lets us make a directory.
	if err := unix.Mount("tmpfs", "/sys/kernel", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("show BTF: mount: %w", err)
	}
	if err := os.MkdirAll("/sys/kernel/btf", 0o755); err != nil {
		return fmt.Errorf("show BTF: %w", err)
	}
	if err := os.WriteFile(BTFPath, raw, 0o444); err != nil {
		return fmt.Errorf("show BTF: %w", err)
	}
	return nil
}

// checkTypes compares types from elsewhere with those that the kernel has in
// memory. A tracepoint is named by its number among them: with the types of
// another build a program would attach to some other tracepoint.
//
// Where the kernel's own cannot be had, what it says of the programs must do.
func checkTypes(given *btf.Spec) error {
	own, err := ownTypes()
	if err != nil || own == nil {
		return err
	}
	for _, p := range programs {
		name := "btf_trace_" + p.hook
		if idOf(given, name) != idOf(own, name) {
			return &UnusableError{
				Reason: "cannot watch: the file given with --btf is not of the running kernel (it has another " + p.hook + ")",
				Fix:    "take the BTF of exactly this build: uname -rv names it",
			}
		}
	}
	return nil
}

func idOf(spec *btf.Spec, name string) btf.TypeID {
	var def *btf.Typedef
	if spec.TypeByName(name, &def) != nil {
		return 0
	}
	id, err := spec.TypeID(def)
	if err != nil {
		return 0
	}
	return id
}

// ownTypes returns the types that the kernel checks programs against, which it
// has in memory whether or not a file shows them. They are nil if it has none,
// or gives them no number to ask by (before 5329722057d4, 5.11).
func ownTypes() (*btf.Spec, error) {
	var it btf.HandleIterator
	defer func() { _ = it.Handle.Close() }() // nil has nothing to close
	for it.Next() {
		info, err := it.Handle.Info()
		if err != nil {
			return nil, fmt.Errorf("look for the kernel's types: %w", err)
		}
		if info.IsVmlinux() {
			spec, err := it.Handle.Spec(nil)
			if err != nil {
				return nil, fmt.Errorf("read the kernel's types: %w", err)
			}
			return spec, nil
		}
	}
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrNotSupported) {
		return nil, fmt.Errorf("look for the kernel's types: %w", err)
	}
	return nil, nil
}
