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
	"strings"
)

// testBinary is the tests of one package.
type testBinary struct {
	name string // the package's path within the module
	dir  string
	file string
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

// buildTests builds the tests of all packages that have some, in dir.
func buildTests(ctx context.Context, dir string, patterns []string) ([]testBinary, error) {
	const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Module.Path}}\t{{.Dir}}{{end}}"
	out, err := goCommand(ctx, append([]string{"list", "-f", format}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var binaries []testBinary
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 {
			continue
		}
		b := testBinary{name: strings.TrimPrefix(fields[0], fields[1]+"/"), dir: fields[2]}
		b.file = filepath.Join(dir, strings.ReplaceAll(b.name, "/", "-")+".test")
		if _, err := goCommand(ctx, "test", "-c", stripped, "-o", b.file, fields[0]); err != nil {
			return nil, err
		}
		binaries = append(binaries, b)
	}
	if binaries == nil {
		return nil, fmt.Errorf("no tests in %s", strings.Join(patterns, " "))
	}
	return binaries, nil
}

// buildPrebuilt builds commands in dir, and returns what a guest needs to have
// them: entries of Config.Add and Config.Env.
func buildPrebuilt(ctx context.Context, dir string, commands []Prebuilt) (add, env []string, err error) {
	for _, p := range commands {
		file := filepath.Join(dir, path.Base(p.Package))
		if _, err := goCommand(ctx, "build", stripped, "-o", file, p.Package); err != nil {
			return nil, nil, err
		}
		add = append(add, file+":"+p.guest())
		env = append(env, p.Env+"="+p.guest())
	}
	return add, env, nil
}

// goCommand runs the go command for static programs, and returns what it
// printed.
func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.SysProcAttr = dieWithParent()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
