package vmrun

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// moduleInfo is what a kernel module says of itself in its section .modinfo.
type moduleInfo struct {
	Name    string
	Depends []string // modules to load before
}

// parseModinfo reads a section .modinfo: strings key=value, each ending in at
// least one NUL.
func parseModinfo(section []byte) (moduleInfo, error) {
	var m moduleInfo
	for entry := range bytes.SplitSeq(section, []byte{0}) {
		if len(entry) == 0 {
			continue // padding
		}
		key, value, ok := strings.Cut(string(entry), "=")
		if !ok {
			return moduleInfo{}, fmt.Errorf("parse .modinfo: no = in %q", entry)
		}
		switch key {
		case "name":
			m.Name = moduleName(value)
		case "depends":
			for dep := range strings.SplitSeq(value, ",") {
				if dep != "" {
					m.Depends = append(m.Depends, moduleName(dep))
				}
			}
		}
	}
	return m, nil
}

// moduleName spells a module's name as lsmod does: files and packages use
// dashes at will.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// readModinfo reads the section of a module that is not compressed.
func readModinfo(file string) (moduleInfo, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return moduleInfo{}, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return moduleInfo{}, fmt.Errorf("read module %s: %w", file, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return moduleInfo{}, fmt.Errorf("read module %s: no section .modinfo", file)
	}
	info, err := section.Data()
	if err != nil {
		return moduleInfo{}, fmt.Errorf("read module %s: %w", file, err)
	}
	m, err := parseModinfo(info)
	if err != nil {
		return moduleInfo{}, fmt.Errorf("read module %s: %w", file, err)
	}
	return m, nil
}

// depends returns what a module depends on directly.
type depends func(name string) ([]string, error)

// loadOrder returns the modules to load, each after all that it depends on.
func loadOrder(names []string, deps depends) ([]string, error) {
	var order []string
	var visit func(name string, path []string) error
	visit = func(name string, path []string) error {
		if slices.Contains(order, name) {
			return nil
		}
		if slices.Contains(path, name) {
			return fmt.Errorf("modules depend on each other: %s", strings.Join(append(path, name), " > "))
		}
		needs, err := deps(name)
		if err != nil {
			return err
		}
		for _, dep := range needs {
			if err := visit(dep, append(path, name)); err != nil {
				return err
			}
		}
		order = append(order, name)
		return nil
	}
	for _, name := range names {
		if err := visit(moduleName(name), nil); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// modules returns the modules to load, in order.
func (c *Config) modules(k Kernel) ([]string, error) {
	names, err := presentModules(k.Modules(), c.Modules)
	if err != nil {
		return nil, err
	}
	return loadOrder(names, moduleDepends(k.Modules()))
}

// presentModules leaves out the optional modules, ?NAME, that a kernel does not
// have: it may have them built in, or be too old for them.
func presentModules(dir string, names []string) ([]string, error) {
	var present []string
	for _, name := range names {
		name, optional := strings.CutPrefix(name, "?")
		name = moduleName(name)
		if optional {
			_, err := os.Stat(filepath.Join(dir, name+".ko"))
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("look for module %s: %w", name, err)
			}
		}
		present = append(present, name)
	}
	return present, nil
}

// moduleDepends looks dependencies up in a directory of NAME.ko files.
func moduleDepends(dir string) depends {
	return func(name string) ([]string, error) {
		m, err := readModinfo(filepath.Join(dir, name+".ko"))
		if os.IsNotExist(err) {
			return nil, fmt.Errorf("no module %s in %s: it is built in (then write ?%[1]s), or missing among the patterns in unpack.go", name, dir)
		}
		return m.Depends, err
	}
}
