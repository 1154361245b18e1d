package vmrun

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// libraryDirs are where the dynamic linker looks without being told, in the
// guest as here.
var libraryDirs = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// libraries returns the paths of the dynamic linker and of all shared libraries
// that a program needs, directly or not; none for a static program or for what
// is no program.
func libraries(program string) ([]string, error) {
	seen := map[string]bool{}
	var found []string
	var visit func(file string) error
	visit = func(file string) error {
		interpreter, names, err := linkage(file)
		if err != nil {
			return err
		}
		if interpreter != "" && !seen[interpreter] {
			seen[interpreter] = true
			found = append(found, interpreter)
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			path, err := findLibrary(name)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			found = append(found, path)
			if err := visit(path); err != nil {
				return err
			}
		}
		return nil
	}
	return found, visit(program)
}

// linkage reads what a file wants to be linked with.
func linkage(file string) (interpreter string, names []string, err error) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return "", nil, nil // a script, or data
	}
	if err != nil {
		return "", nil, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", nil, fmt.Errorf("read program %s: %w", file, err)
		}
		interpreter = strings.TrimRight(string(b), "\x00")
	}
	names, err = f.ImportedLibraries()
	if err != nil {
		return "", nil, fmt.Errorf("read program %s: %w", file, err)
	}
	return interpreter, names, nil
}

func findLibrary(name string) (string, error) {
	for _, dir := range libraryDirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no library %s in %s", name, strings.Join(libraryDirs, ", "))
}
