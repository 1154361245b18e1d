package vmrun

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// DefaultCache is where kernels are kept unless told otherwise: outside the
// source tree, shared by all checkouts.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(dir, "tcpwatch-kernels"), nil
}

// Kernel is one that the cache has.
type Kernel struct {
	Series string
	Dir    string
	series *series
}

// FindKernel returns a kernel of the cache. What follows the series, as in 7.3,
// is not looked at: the cache has one kernel a series.
func FindKernel(cache, name string) (Kernel, error) {
	s, ok := findSeries(name)
	if !ok {
		return Kernel{}, fmt.Errorf("unknown kernel series %q, want one of %v", name, SeriesNames())
	}
	k := Kernel{Series: s.name, Dir: filepath.Join(cache, s.name), series: s}
	if _, err := os.Stat(k.Image()); err != nil {
		return Kernel{}, fmt.Errorf("no kernel %s in %s: run vmrun fetch -k %[1]s", s.name, cache)
	}
	return k, nil
}

// Image returns the path of the bootable kernel.
func (k Kernel) Image() string { return filepath.Join(k.Dir, "vmlinuz") }

// Modules returns the directory of the modules.
func (k Kernel) Modules() string { return filepath.Join(k.Dir, "modules") }

// dieWithParent makes the kernel kill a child when the thread that started it
// ends, so the caller must not return before the child does.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
