package kerneldoc

import (
	"fmt"
	"slices"
	"strings"
)

const preamble = `# What each kernel shows

Made by ` + "`make kernels-doc`" + ` from what the tests saw on each kernel
(docs/kernels.json); not written by hand. ` + "`make test-kernels`" + ` sees it all again and
fails where something differs. The guests are Debian's, named in
internal/vmrun/kernels.lock; the last column is the machine that made this page.
`

// Markdown returns the document: rows are features, columns kernels.
func (k *Kernels) Markdown() string {
	var b strings.Builder
	b.WriteString(preamble)
	fmt.Fprintf(&b, "\nAll tests on the guests took %.0f s.\n", k.WallSeconds)

	b.WriteString("\n## Features\n\nWhat the kernel's types say; in brackets what a program says that needs it, where one can tell.\n\n")
	k.table(&b, "feature", func(f *Facts) (rows []row) {
		for _, x := range f.Features {
			cell := x.Types
			if x.Program != "" {
				cell += " (" + x.Program + ")"
			}
			rows = append(rows, row{x.Name, cell})
		}
		return rows
	})
	b.WriteString("\n| feature | what it is, where it came | without it |\n| --- | --- | --- |\n")
	for _, x := range k.Kernels[0].Facts.Features {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", x.Name, x.Since, x.Instead)
	}

	b.WriteString("\n## Behaviour\n\nTried on each kernel.\n\n")
	k.table(&b, "what", func(f *Facts) (rows []row) {
		for _, s := range f.Seen {
			rows = append(rows, row{s.What, s.Answer})
		}
		return rows
	})
	b.WriteString("\n## What is not seen\n\nSaid by every run, or by `tcpwatch doctor`.\n\n")
	k.table(&b, "loss", func(f *Facts) (rows []row) {
		for _, l := range f.Losses {
			rows = append(rows, row{l, "lost"})
		}
		return rows
	})
	b.WriteString("\n## Programs\n\nInstructions that the verifier processed, and states in all.\n\n")
	k.table(&b, "program", func(f *Facts) (rows []row) {
		for _, p := range f.Programs {
			rows = append(rows, row{p.Name, fmt.Sprintf("%d, %d", p.Instructions, p.States)})
		}
		return rows
	})
	k.tests(&b)
	return b.String()
}

type row struct{ name, cell string }

// table writes rows by name; what a kernel does not have is a dash.
func (k *Kernels) table(b *strings.Builder, title string, rowsOf func(*Facts) []row) {
	var names []string
	columns := make([]map[string]string, len(k.Kernels))
	header, rule := "| "+title, "| ---"
	for i := range k.Kernels {
		columns[i] = map[string]string{}
		for _, r := range rowsOf(&k.Kernels[i].Facts) {
			columns[i][r.name] = r.cell
			if !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
		header += " | " + k.Kernels[i].title()
		rule += " | ---"
	}
	fmt.Fprintf(b, "%s |\n%s |\n", header, rule)
	for _, name := range names {
		fmt.Fprintf(b, "| %s", name)
		for _, column := range columns {
			cell := column[name]
			if cell == "" {
				cell = "-"
			}
			fmt.Fprintf(b, " | %s", cell)
		}
		b.WriteString(" |\n")
	}
}

// version is the first part of a release, as 6.1.0 or 6.12.117.
func version(release string) string {
	release, _, _ = strings.Cut(release, "-")
	release, _, _ = strings.Cut(release, "+")
	return release
}

// title is the version of a kernel, and where it ran.
func (k *Kernel) title() string {
	if k.Series == host {
		return "host, " + version(k.Facts.Release)
	}
	return version(k.Facts.Release)
}

// tests writes how many tests passed, and what was skipped and why.
func (k *Kernels) tests(b *strings.Builder) {
	b.WriteString("\n## Tests\n\nPassed, and skipped; a skip is for what the kernel was asked for and refused.\n\n")
	var guests Kernels
	skipped := ""
	for _, one := range k.Kernels {
		if one.Series == host {
			continue
		}
		guests.Kernels = append(guests.Kernels, one)
		for _, t := range one.Tests {
			for _, s := range t.Skipped {
				skipped += fmt.Sprintf("- %s, %s %s\n", one.title(), t.Package, s)
			}
		}
	}
	cells := map[*Facts][]row{}
	for i := range guests.Kernels {
		one := &guests.Kernels[i]
		for _, t := range one.Tests {
			cell := fmt.Sprint(t.Passed)
			if len(t.Skipped) > 0 {
				cell += fmt.Sprintf(", %d skipped", len(t.Skipped))
			}
			if t.Failed > 0 {
				cell += fmt.Sprintf(", %d FAILED", t.Failed)
			}
			cells[&one.Facts] = append(cells[&one.Facts], row{t.Package, cell})
		}
	}
	guests.table(b, "package", func(f *Facts) []row { return cells[f] })
	if skipped != "" {
		b.WriteString("\n" + skipped)
	}
}
