package vmrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// Matrix runs the tests of several packages on several kernels, one guest at a
// time.
type Matrix struct {
	Config   Config // Kernel, Binary, Args and Dir are filled in
	Kernels  []string
	Packages []string // patterns, as of go list
	TestArgs []string
	ShowAll  bool // the output of tests that pass, too

	rows  []row
	total time.Duration
}

// row is a package's results, one a kernel.
type row struct {
	binary testBinary
	cells  []cell
}

// cell is the outcome of one package on one kernel.
type cell struct {
	ok      bool
	took    time.Duration
	passed  int
	skipped int
	failed  int
	err     error // of the guest
}

// String is what the table shows.
func (c cell) String() string {
	word := "ok"
	switch {
	case c.err != nil:
		word = "GUEST"
	case !c.ok:
		word = "FAIL"
	case c.passed == 0:
		word = "none"
	}
	text := fmt.Sprintf("%s %.1fs %d", word, c.took.Seconds(), c.passed)
	if c.failed > 0 {
		text += fmt.Sprintf(" -%d", c.failed)
	}
	if c.skipped > 0 {
		text += fmt.Sprintf(" (%d skipped)", c.skipped)
	}
	return text
}

// Run builds the test binaries and runs them. It reports whether all passed.
func (m *Matrix) Run(ctx context.Context) (ok bool, err error) {
	begin := time.Now()
	for _, k := range m.Kernels {
		if _, err := FindKernel(m.Config.Cache, k); err != nil {
			return false, err
		}
	}
	dir, err := os.MkdirTemp("", "vmrun-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binaries, err := buildTests(ctx, dir, m.Packages)
	if err != nil {
		return false, err
	}
	ok = true
	for _, b := range binaries {
		r := row{binary: b}
		for _, k := range m.Kernels {
			c := m.one(ctx, b, k)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			ok = ok && c.ok
			r.cells = append(r.cells, c)
		}
		m.rows = append(m.rows, r)
	}
	m.total = time.Since(begin)
	return ok, nil
}

// one runs one package on one kernel.
func (m *Matrix) one(ctx context.Context, b testBinary, kernel string) cell {
	var output bytes.Buffer
	config := m.Config
	config.Kernel, config.Binary, config.Dir, config.Args = kernel, b.file, b.dir, m.TestArgs
	config.Stdout, config.Stderr = &output, &output
	result, err := Run(ctx, config)
	c := cell{ok: err == nil && result.Code == 0, took: result.Total, err: err}
	c.count(output.String())
	stderr := m.Config.Stderr
	fmt.Fprintf(stderr, "vmrun: %s on %s: %s\n", b.name, kernel, c)
	if !c.ok || m.ShowAll {
		fmt.Fprintf(stderr, "%s\n", bytes.TrimRight(output.Bytes(), "\n"))
	}
	if err != nil {
		fmt.Fprintln(stderr, "vmrun:", err)
	}
	return c
}

// count counts top-level tests in the output of -test.v.
func (c *cell) count(output string) {
	for line := range strings.Lines(output) {
		switch {
		case strings.HasPrefix(line, "--- PASS"):
			c.passed++
		case strings.HasPrefix(line, "--- SKIP"):
			c.skipped++
		case strings.HasPrefix(line, "--- FAIL"):
			c.failed++
		}
	}
}

// Print writes the table: packages by kernels, seconds with the boot, tests
// passed, failed (-) and skipped.
func (m *Matrix) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "PACKAGE\t%s\n", strings.Join(m.Kernels, "\t"))
	for _, r := range m.rows {
		fmt.Fprint(t, r.binary.name)
		for _, c := range r.cells {
			fmt.Fprintf(t, "\t%s", c)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintf(t, "total %.0fs\n", m.total.Seconds())
	return t.Flush()
}

// testBinary is the tests of one package.
type testBinary struct {
	name string // the package's path within the module
	dir  string
	file string
}

// buildTests builds the tests of all packages that have some.
func buildTests(ctx context.Context, dir string, patterns []string) ([]testBinary, error) {
	if err := need("go"); err != nil {
		return nil, err
	}
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
		if _, err := goCommand(ctx, "test", "-c", "-o", b.file, fields[0]); err != nil {
			return nil, err
		}
		binaries = append(binaries, b)
	}
	if binaries == nil {
		return nil, fmt.Errorf("no tests in %s", strings.Join(patterns, " "))
	}
	return binaries, nil
}

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
