package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/probe"
)

func newDoctorCommand(e *env, g *globals) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What this kernel and these privileges allow, and how to mend what is missing",
		Long: `Looks at everything that watching needs, tries it, and says what is missing and
which command mends it. Exits with 3 if tcpwatch cannot watch here.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			if err := g.checkTypes(); err != nil {
				return err
			}
			return runDoctor(e.stdout, output, probe.Diagnose(probe.Options{BTF: g.btf}), g)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func runDoctor(w io.Writer, output string, findings []probe.Finding, g *globals) error {
	usable := probe.Usable(findings)
	if output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(struct {
			Usable   bool            `json:"usable"`
			Findings []probe.Finding `json:"findings"`
		}{usable, findings}); err != nil {
			return fmt.Errorf("write json: %w", err)
		}
	} else if err := printFindings(w, findings); err != nil {
		return err
	}
	if !usable {
		return errors.New("cannot watch on this host: see the lines marked MISSING")
	}
	return nil
}

func printFindings(w io.Writer, findings []probe.Finding) error {
	var b strings.Builder
	for _, f := range findings {
		mark := "ok"
		switch {
		case !f.OK && f.Required:
			mark = "MISSING"
		case !f.OK:
			mark = "reduced"
		}
		fmt.Fprintf(&b, "%-8s %-34s %s\n", mark, f.Name, f.Detail)
		if f.Fix != "" {
			fmt.Fprintf(&b, "%-8s %-34s -> %s\n", "", "", f.Fix)
		}
	}
	if probe.Usable(findings) {
		b.WriteString("tcpwatch can watch here.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
