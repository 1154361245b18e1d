package vmrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Matrix runs the tests of several packages on several kernels, each package
// on each kernel in a guest of its own.
type Matrix struct {
	Config   Config // Kernel, Binary, Args, Dir, Init and OutDir are filled in
	Kernels  []string
	Packages []string // patterns, as of go list; those that take longest had best be first
	TestArgs []string
	Prebuilt []Prebuilt
	Jobs     int           // guests at a time, at least 1
	Limit    time.Duration // of all; 0 is none
	OutDir   string        // for what tests write into $VMRUN_OUT; empty: they have no such variable
	ShowAll  bool          // the output of tests that pass, too
}

// Run builds the tests once and runs them. The results are there, as far as
// they go, even if time runs out, which is an error; that a test fails is none.
func (m *Matrix) Run(ctx context.Context) (results *Results, err error) {
	begin := time.Now()
	if m.Jobs < 1 {
		return nil, fmt.Errorf("run matrix: %d guests at a time, want at least 1", m.Jobs)
	}
	if m.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.Limit, fmt.Errorf("run matrix: not finished within %v", m.Limit))
		defer cancel()
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vmrun-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	packages, err := testPackages(ctx, m.Packages)
	if err != nil {
		return nil, err
	}
	kits, err := m.build(ctx, dir, packages)
	if err != nil {
		return nil, err
	}
	results = newResults(m.Kernels, packages)
	m.runAll(ctx, kits, packages, results, begin)
	results.WallSeconds = seconds(time.Since(begin))
	results.OK = results.allOK()
	if ctx.Err() != nil && !results.OK {
		return results, context.Cause(ctx)
	}
	return results, nil
}

// check finds out before the work begins what would end it.
func (m *Matrix) check() error {
	if err := m.Need(); err != nil {
		return err
	}
	for _, k := range m.Kernels {
		if _, err := FindKernel(m.Config.Cache, k); err != nil {
			return err
		}
	}
	return nil
}

// Need returns an error that says what to install if a program is missing that
// the matrix needs, or one of more.
func (m *Matrix) Need(more ...string) error {
	programs := append(m.Config.addedPrograms(), "go")
	for _, name := range m.Kernels {
		if s, ok := findSeries(name); ok {
			programs = append(programs, s.arch.qemu)
		}
	}
	return need(append(programs, more...)...)
}

// build makes everything that the guests are to run: a kit for each kernel.
func (m *Matrix) build(ctx context.Context, dir string, packages []testPackage) (map[string]*kit, error) {
	built := map[*arch]*kit{}
	kits := map[string]*kit{}
	for _, name := range m.Kernels {
		s, _ := findSeries(name) // check has found it
		if built[s.arch] == nil {
			k, err := buildKit(ctx, dir, s.arch, packages, m.Prebuilt)
			if err != nil {
				return nil, err
			}
			built[s.arch] = k
		}
		kits[name] = built[s.arch]
	}
	return kits, nil
}

// runAll fills in the results, some guests at a time.
func (m *Matrix) runAll(ctx context.Context, kits map[string]*kit, packages []testPackage, results *Results, begin time.Time) {
	type task struct {
		pkg    testPackage
		kernel *KernelResult
		result *PackageResult // no two tasks have the same
	}
	tasks := make(chan task)
	progress := &progress{begin: begin, total: len(packages) * len(m.Kernels)}
	var workers sync.WaitGroup
	for range m.Jobs {
		workers.Go(func() {
			for t := range tasks {
				r, release, output := m.one(ctx, kits[t.kernel.Series], t.pkg, t.kernel.Series)
				if ctx.Err() != nil {
					continue
				}
				*t.result = r
				m.tell(progress, t.kernel, release, &r, output)
			}
		})
	}
	for i, p := range packages {
		for k := range results.Kernels {
			kernel := &results.Kernels[k]
			select {
			case tasks <- task{p, kernel, &kernel.Packages[i]}:
			case <-ctx.Done():
			}
		}
	}
	close(tasks)
	workers.Wait()
}

// one runs one package on one kernel.
func (m *Matrix) one(ctx context.Context, k *kit, p testPackage, kernel string) (r PackageResult, release string, output []byte) {
	var out lockedBuffer
	config := m.Config
	config.Kernel, config.Binary, config.Dir, config.Args = kernel, k.tests[p.path], p.dir, m.TestArgs
	config.Init = k.init
	config.Add = slices.Concat(m.Config.Add, k.add)
	config.Env = slices.Concat(m.Config.Env, k.env)
	config.Stdout, config.Stderr = &out, &out
	if m.OutDir != "" {
		config.OutDir = filepath.Join(m.OutDir, kernel, p.name)
	}
	result, err := Run(ctx, config)
	r = PackageResult{
		Package: p.name, OK: err == nil && result.Code == 0, Seconds: seconds(result.Total),
		BootSeconds: seconds(result.Boot), Tests: parseTests(out.String()), Files: result.Files,
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r, result.Release, out.Bytes()
}

// lockedBuffer is a buffer that several goroutines may write to.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// progress is told of as guests end.
type progress struct {
	mu          sync.Mutex
	begin       time.Time
	done, total int
}

// tell prints a line for a guest that has ended, and the output of one that has
// failed, and keeps the kernel's release.
func (m *Matrix) tell(p *progress, kernel *KernelResult, release string, r *PackageResult, output []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if release != "" {
		kernel.Release = release
	}
	stderr := m.Config.Stderr
	fmt.Fprintf(stderr, "vmrun: %d of %d, %.0fs: %s on %s: %s\n",
		p.done, p.total, time.Since(p.begin).Seconds(), r.Package, kernel.Series, r)
	if !r.OK || m.ShowAll {
		fmt.Fprintf(stderr, "%s\n", bytes.TrimRight(output, "\n"))
	}
	if r.Error != "" {
		fmt.Fprintln(stderr, "vmrun:", r.Error)
	}
}

// seconds rounds to milliseconds, for a report.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
