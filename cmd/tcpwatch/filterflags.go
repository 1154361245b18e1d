package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/model"
)

// addFilterFlags adds the filter flags to a command.
func addFilterFlags(cmd *cobra.Command, to *filter.Flags) {
	f := cmd.Flags()
	f.StringSliceVar(&to.Port, "port", nil, "either port")
	f.StringSliceVar(&to.Lport, "lport", nil, "local port")
	f.StringSliceVar(&to.Rport, "rport", nil, "remote port")
	f.StringSliceVar(&to.Addr, "addr", nil, "either address, or a network such as 10.0.0.0/8")
	f.StringSliceVar(&to.State, "state", nil, "TCP state, as in CLOSE_WAIT or close-wait")
	f.StringSliceVar(&to.PID, "pid", nil, "owning process")
	f.StringSliceVar(&to.Comm, "comm", nil, "owning command, may hold * and ?")
	f.StringSliceVar(&to.Netns, "netns", nil, "network namespace: inode number, name or path")
	f.StringSliceVar(&to.Container, "container", nil, "owning container: an id, its first digits, or a name, which may hold * and ?")
	f.BoolVar(&to.NoSelf, "no-self", false, "leave out the sockets of this tcpwatch")
	f.BoolVar(&to.Abnormal, "abnormal", false, "only what is abnormal or impossible")
	_ = cmd.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var names []cobra.Completion
		for _, s := range model.States() {
			names = append(names, s.String())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// compileFilter turns the flags and the positional FILTER into a Filter.
func compileFilter(flags filter.Flags, args []string) (*filter.Filter, error) {
	f, err := filter.New(flags, strings.Join(args, " "), netnsByName)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return f, nil
}

// netnsByName finds the inode number of a namespace by name or path.
func netnsByName(name string) (uint32, error) {
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join("/run/netns", name)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("want an inode number, a name under /run/netns or a path: %w", err)
	}
	return uint32(st.Ino), nil
}
