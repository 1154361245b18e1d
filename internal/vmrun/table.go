package vmrun

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print writes the table: packages by kernels, seconds with the boot, tests
// passed, failed (-) and skipped.
func (r *Results) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "PACKAGE")
	for _, k := range r.Kernels {
		fmt.Fprintf(t, "\t%s", k.Series)
	}
	fmt.Fprintln(t)
	if len(r.Kernels) > 0 {
		for i, p := range r.Kernels[0].Packages {
			fmt.Fprint(t, p.Package)
			for _, k := range r.Kernels {
				fmt.Fprintf(t, "\t%s", &k.Packages[i])
			}
			fmt.Fprintln(t)
		}
	}
	fmt.Fprint(t, "uname -r")
	for _, k := range r.Kernels {
		fmt.Fprintf(t, "\t%s", k.Release)
	}
	fmt.Fprintf(t, "\ntotal %.0fs\n", r.WallSeconds)
	return t.Flush()
}

// String is what the table shows.
func (p *PackageResult) String() string {
	passed, failed, skipped := p.count()
	word := "ok"
	switch {
	case p.Error == NotRun:
		return NotRun
	case p.Error != "":
		word = "GUEST"
	case !p.OK:
		word = "FAIL"
	case passed == 0:
		word = "none"
	}
	text := fmt.Sprintf("%s %.1fs %d", word, p.Seconds, passed)
	if failed > 0 {
		text += fmt.Sprintf(" -%d", failed)
	}
	if skipped > 0 {
		text += fmt.Sprintf(" (%d skipped)", skipped)
	}
	return text
}

// PrintSkips writes a line for each test that was skipped, with the reason.
func (r *Results) PrintSkips(w io.Writer) error {
	for _, k := range r.Kernels {
		for _, p := range k.Packages {
			for _, t := range p.Tests {
				if t.Outcome != Skip {
					continue
				}
				reason := t.Reason
				if reason == "" {
					reason = "no reason given"
				}
				if _, err := fmt.Fprintf(w, "skipped on %s: %s %s: %s\n", k.Series, p.Package, t.Name, reason); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
