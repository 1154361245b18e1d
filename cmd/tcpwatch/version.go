package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/probe"
)

// version is the release; the linker may set it.
var version = "0.1.0-dev"

func newVersionCommand(e *env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "The version of tcpwatch, with -v also of Go, kernel and modules",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.stdout, "tcpwatch %s%s\n", version, revision())
			if err == nil && g.verbose {
				_, err = fmt.Fprint(e.stdout, details(g.btf))
			}
			return err
		},
	}
}

// revision is the commit the binary was built from, if the build knows.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}

func details(types string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "go      %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		fmt.Fprintf(&b, "kernel  %s\n", unix.ByteSliceToString(u.Release[:]))
	}
	if lacking, err := probe.Lacking(types); err != nil {
		fmt.Fprintf(&b, "kernel  cannot tell what it lacks: %v\n", err)
	} else {
		for _, l := range lacking {
			fmt.Fprintf(&b, "unseen  %s: %s\n", l.What, l.Why)
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			fmt.Fprintf(&b, "module  %s %s\n", m.Path, m.Version)
		}
	}
	return b.String()
}
