package kerneldoc

import (
	"fmt"
	"slices"
)

// Jump is by how much the verifier's work on a program may grow before somebody
// must say why.
const Jump = 0.20

// Differences says what differs between what was seen before and now, of the
// kernels that both have: any fact, and verifier statistics that grew by more
// than Jump. The host is another machine unless its release is the same.
func Differences(before, now *Kernels) (differences []string) {
	for _, k := range now.Kernels {
		i := slices.IndexFunc(before.Kernels, func(b Kernel) bool { return b.Series == k.Series })
		switch {
		case i < 0:
			differences = append(differences, k.Series+": not seen before")
		case k.Series == host && before.Kernels[i].Facts.Release != k.Facts.Release:
		default:
			for _, d := range before.Kernels[i].Facts.compare(&k.Facts) {
				differences = append(differences, k.Series+": "+d)
			}
		}
	}
	return differences
}

func (f *Facts) compare(now *Facts) (differences []string) {
	add := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	was := map[string]Feature{}
	for _, x := range f.Features {
		was[x.Name] = x
	}
	for _, x := range now.Features {
		if w := was[x.Name]; w.Types != x.Types || w.Program != x.Program {
			add("feature %q: types say %q, a program %q; before %q, %q", x.Name, x.Types, x.Program, w.Types, w.Program)
		}
		delete(was, x.Name)
	}
	for name := range was {
		add("feature %q is no longer looked for", name)
	}
	if !slices.Equal(f.Seen, now.Seen) {
		add("seen %v, before %v", now.Seen, f.Seen)
	}
	if !slices.Equal(f.Hooks, now.Hooks) {
		add("hooks %v, before %v", now.Hooks, f.Hooks)
	}
	if !slices.Equal(f.Losses, now.Losses) {
		add("losses %q, before %q", now.Losses, f.Losses)
	}
	return append(differences, comparePrograms(f.Programs, now.Programs)...)
}

func comparePrograms(before, now []Program) (differences []string) {
	if len(before) != len(now) {
		differences = append(differences, fmt.Sprintf("%d programs, before %d", len(now), len(before)))
	}
	for _, p := range now {
		i := slices.IndexFunc(before, func(b Program) bool { return b.Name == p.Name })
		if i < 0 {
			differences = append(differences, fmt.Sprintf("program %s is new", p.Name))
			continue
		}
		for _, n := range []struct {
			what        string
			before, now int
		}{
			{"instructions", before[i].Instructions, p.Instructions},
			{"states", before[i].States, p.States},
		} {
			if float64(n.now) > float64(n.before)*(1+Jump) {
				differences = append(differences, fmt.Sprintf("program %s: %d %s verified, before %d", p.Name, n.now, n.what, n.before))
			}
		}
	}
	return differences
}
