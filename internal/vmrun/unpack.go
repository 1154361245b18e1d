package vmrun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// wantedModules are patterns of the modules that tests may load, without those
// that these depend on.
var wantedModules = []string{
	"veth", "dummy", "tun", "ifb", "macvlan", "vrf", "nlmon",
	"sch_*", "cls_*", "act_*",
	"nf_tables", "nft_*", "nf_*", "nfnetlink*",
	"x_tables", "xt_*", "ip_tables", "ip6_tables", "iptable_*", "ip6table_*", "ipt_*", "ip6t_*",
	"*_diag", "tcp_*", "sctp", "tls", "bridge",
}

// layoutVersion changes when what unpack makes of the same packages does.
const layoutVersion = "1"

// stampName is the file that says what a series in the cache was made of.
const stampName = "stamp"

func stamp(lock Lock) string {
	return "layout " + layoutVersion + " " + strings.Join(wantedModules, " ") + "\n" + lock.Format()
}

// ready reports whether the cache has the series as pinned.
func (f *Fetcher) ready(name string, lock Lock) bool {
	have, err := os.ReadFile(filepath.Join(f.Cache, name, stampName))
	return err == nil && len(lock) > 0 && string(have) == stamp(lock)
}

// unpack makes CACHE/SERIES from packages: vmlinuz, modules/*.ko, stamp.
func (f *Fetcher) unpack(ctx context.Context, s *series, lock Lock, debs []string) (err error) {
	work, err := os.MkdirTemp(f.Cache, "unpack-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	tree, ready := filepath.Join(work, "tree"), filepath.Join(work, "ready")
	for _, deb := range debs {
		if err := quiet(ctx, "dpkg-deb", "-x", deb, tree); err != nil {
			return err
		}
	}
	if err := prune(ctx, tree, ready); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(ready, stampName), []byte(stamp(lock)), 0o644); err != nil {
		return err
	}
	target := filepath.Join(f.Cache, s.name)
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(ready, target)
}

// quiet runs a program and shows what it said only if it fails.
func quiet(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = dieWithParent()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// prune copies the kernel and the wanted modules out of an unpacked tree. The
// packages put them in different places, so they are found by name.
func prune(ctx context.Context, tree, ready string) error {
	files, err := findKernelFiles(tree)
	if err != nil {
		return err
	}
	modules := filepath.Join(ready, "modules")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return err
	}
	if err := os.Rename(files.kernel, filepath.Join(ready, "vmlinuz")); err != nil {
		return err
	}
	var want []string
	for name := range files.modules {
		if matchesAny(wantedModules, name) {
			want = append(want, name)
		}
	}
	_, err = loadOrder(want, func(name string) ([]string, error) {
		from, ok := files.modules[name]
		if !ok {
			return nil, fmt.Errorf("module %s is in no package", name)
		}
		to := filepath.Join(modules, name+".ko")
		if err := copyModule(ctx, from, to); err != nil {
			return nil, err
		}
		m, err := readModinfo(to)
		return m.Depends, err
	})
	return err
}

// kernelFiles are the paths of a kernel and, by name, its modules.
type kernelFiles struct {
	kernel  string
	modules map[string]string
}

func findKernelFiles(tree string) (kernelFiles, error) {
	files := kernelFiles{modules: map[string]string{}}
	err := filepath.WalkDir(tree, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		base := entry.Name()
		if strings.HasPrefix(base, "vmlinuz") {
			files.kernel = name
		}
		if module, ok := strings.CutSuffix(strings.TrimSuffix(base, ".xz"), ".ko"); ok {
			files.modules[moduleName(module)] = name
		}
		return nil
	})
	if err == nil && (files.kernel == "" || len(files.modules) == 0) {
		err = errors.New("the packages hold no kernel, or no modules")
	}
	return files, err
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// copyModule copies a module, unpacking it: finit_module of 5.10 takes only
// plain ones. Debug information and signature stay, neither hurts.
func copyModule(ctx context.Context, from, to string) error {
	if !strings.HasSuffix(from, ".xz") {
		return os.Rename(from, to)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "xz", "-dc", from)
	cmd.SysProcAttr = dieWithParent()
	cmd.Stdout = out
	if err := errors.Join(cmd.Run(), out.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(from), err)
	}
	return nil
}
