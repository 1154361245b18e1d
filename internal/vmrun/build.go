package vmrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// testPackage is a package that has tests.
type testPackage struct {
	name string // its path within the module
	path string
	dir  string
}

// Prebuilt is a command that is built once, and whose path in the guest the
// tests find in an environment variable.
type Prebuilt struct {
	Env     string // NAME
	Package string // as go build takes it
}

// ParsePrebuilt reads NAME=PACKAGE.
func ParsePrebuilt(s string) (Prebuilt, error) {
	env, pkg, ok := strings.Cut(s, "=")
	if !ok || env == "" || pkg == "" {
		return Prebuilt{}, errors.New("want NAME=PACKAGE")
	}
	return Prebuilt{env, pkg}, nil
}

// guest returns the command's path in the guest.
func (p Prebuilt) guest() string { return path.Join("/usr/local/bin", path.Base(p.Package)) }

// stripped leaves the symbol table and DWARF out: what stacks show is not in
// them, and without them a test binary is two thirds the size, which each guest
// has to unpack.
const stripped = "-ldflags=-s -w"

// testPackages finds the packages that have tests.
func testPackages(ctx context.Context, patterns []string) ([]testPackage, error) {
	const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Module.Path}}\t{{.Dir}}{{end}}"
	out, err := goCommand(ctx, runtime.GOARCH, append([]string{"list", "-f", format}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var packages []testPackage
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) == 3 {
			packages = append(packages, testPackage{strings.TrimPrefix(fields[0], fields[1]+"/"), fields[0], fields[2]})
		}
	}
	if packages == nil {
		return nil, fmt.Errorf("no tests in %s", strings.Join(patterns, " "))
	}
	return packages, nil
}

// kit is what the guests of one architecture run.
type kit struct {
	init  string            // empty: this program
	tests map[string]string // binaries, by the path of their package
	add   []string          // for Config.Add
	env   []string          // for Config.Env
}

// buildKit builds tests and commands in dir.
func buildKit(ctx context.Context, dir string, a *arch, packages []testPackage, commands []Prebuilt) (*kit, error) {
	k := &kit{tests: map[string]string{}}
	var err error
	if !a.native() {
		if k.init, err = buildInit(ctx, dir, a); err != nil {
			return nil, err
		}
	}
	for _, p := range packages {
		file := filepath.Join(dir, a.name, strings.ReplaceAll(p.name, "/", "-")+".test")
		if _, err := goCommand(ctx, a.name, "test", "-c", stripped, "-o", file, p.path); err != nil {
			return nil, err
		}
		k.tests[p.path] = file
	}
	for _, p := range commands {
		file := filepath.Join(dir, a.name, path.Base(p.Package))
		if _, err := goCommand(ctx, a.name, "build", stripped, "-o", file, p.Package); err != nil {
			return nil, err
		}
		k.add = append(k.add, file+":"+p.guest())
		k.env = append(k.env, p.Env+"="+p.guest())
	}
	return k, nil
}

// goCommand runs the go command for static programs of an architecture, and
// returns what it printed.
func goCommand(ctx context.Context, arch string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.SysProcAttr = dieWithParent()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
