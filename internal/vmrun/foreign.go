package vmrun

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
)

// initPackage is the command of this package, which is /init in the guest.
const initPackage = "github.com/tcpwatch/tcpwatch/internal/vmrun/cmd/vmrun"

// buildInit builds an /init for another processor than this one's.
func buildInit(ctx context.Context, dir string, a *arch) (string, error) {
	if err := need("go"); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "init-"+a.name)
	if _, err := goCommand(ctx, a.name, "build", stripped, "-o", file, initPackage); err != nil {
		return "", fmt.Errorf("build /init for %s, which takes the module's directory: %w", a.name, err)
	}
	return file, nil
}

// checkBinary refuses a program that the kernel's processor cannot run.
func checkBinary(file string, k Kernel) error {
	m, isProgram, err := machineOf(file)
	if err == nil && isProgram && m != k.series.arch.machine {
		err = fmt.Errorf("%s is for %v, kernel %s wants one built with GOARCH=%s",
			filepath.Base(file), m, k.Series, k.series.arch.name)
	}
	return err
}

// machineOf returns the processor that a file is a program for, if it is one.
func machineOf(file string) (m elf.Machine, isProgram bool, err error) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return 0, false, nil // a script, or data
	}
	if err != nil {
		return 0, false, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()
	return f.Machine, true, nil
}

// runs reports whether a file is worth having in the guest: all are but programs
// for other processors, which this machine has plenty of.
func (k Kernel) runs(file string) bool {
	m, isProgram, err := machineOf(file)
	return err != nil || !isProgram || m == k.series.arch.machine // packing it tells of errors
}
