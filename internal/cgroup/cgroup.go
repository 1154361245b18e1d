// Package cgroup says in which container and under which systemd unit a process
// runs, from the paths of its cgroups. Nothing is asked of a container runtime:
// the names that runtimes give their cgroups are enough, and a wrong guess is
// worse than none.
package cgroup

import (
	"strconv"
	"strings"
)

// Place is where a process runs. Its texts come from names that others chose:
// print them through package printable.
type Place struct {
	// Container is the id as docker, podman, nerdctl and crictl know it, in full,
	// or the name of an LXC or systemd-nspawn container. Of nested containers it
	// is the innermost. Empty if in none that is known.
	Container string
	// Unit is the innermost systemd service or scope, else the innermost slice.
	Unit string
}

// maxName bounds each name, in bytes: a file name's length.
const maxName = 255

// Parse reads the lines of /proc/PID/cgroup (cgroups(7)):
// hierarchy-ID:controllers:path. On cgroup v2 there is one, 0::PATH. With v1, and
// both together, systemd keeps its units in name=systemd, and a runtime may have
// made its cgroups in some hierarchies only: the first that names a container
// counts.
func Parse(text string) (p Place) {
	var v2, systemd string
	var rest []string
	for line := range strings.Lines(text) {
		id, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok2 := strings.Cut(after, ":")
		if !ok || !ok2 {
			continue
		}
		path = strings.TrimSuffix(path, " (deleted)")
		switch {
		case id == "0" && controllers == "":
			v2 = path
		case controllers == "name=systemd":
			systemd = path
		default:
			rest = append(rest, path)
		}
	}
	for _, path := range append([]string{v2, systemd}, rest...) {
		if p.Container = container(path); p.Container != "" {
			break
		}
	}
	for _, path := range []string{v2, systemd} {
		if p.Unit = unit(path); p.Unit != "" {
			break
		}
	}
	return p
}

// container returns the innermost container that a path names.
func container(path string) string {
	names := strings.Split(path, "/")
	for i := len(names) - 1; i > 0; i-- {
		if c := containerName(names[i-1], names[i]); c != "" {
			return c
		}
	}
	return ""
}

// scopes are the prefixes of a container's id in the name of its cgroup, with
// .scope after it where systemd makes the cgroup.
var scopes = []string{
	"docker-",         // Docker, systemd driver
	"cri-containerd-", // containerd under kubepods, systemd driver
	"crio-",           // CRI-O, both drivers
	"libpod-",         // Podman, both drivers
	"libpod-payload-", // Podman with --cgroups=split
	"nerdctl-",        // nerdctl, systemd driver
}

// containerName returns the container that one name of a path, below parent,
// stands for. What only serves a container, such as conmon, is in none.
func containerName(parent, name string) string {
	bare := strings.TrimSuffix(name, ".scope")
	for _, prefix := range scopes {
		if id, ok := strings.CutPrefix(bare, prefix); ok && isID(id, 12) {
			return id
		}
	}
	// containerd with the cgroupfs driver, given a path for systemd's.
	if i := strings.LastIndex(name, ":cri-containerd:"); i >= 0 && isID(name[i+len(":cri-containerd:"):], 12) {
		return name[i+len(":cri-containerd:"):]
	}
	switch {
	case isID(name, 64): // /docker/ID, /kubepods/burstable/podUID/ID, nerdctl's /default/ID
		return name
	case parent == "docker" && isID(name, 12):
		return name
	case parent == "lxc" || parent == "lxc.payload":
		return bounded(name)
	}
	if c, ok := strings.CutPrefix(name, "lxc.payload."); ok { // LXC 4, LXD, Incus
		return bounded(c)
	}
	return machine(parent, name)
}

// machine returns the container that systemd-machined runs under a unit: as
// systemd-nspawn@NAME.service, or as machine-NAME.scope, which virtual machines
// are too.
func machine(parent, name string) string {
	if parent != "machine.slice" {
		return ""
	}
	if c, ok := cutBoth(name, "systemd-nspawn@", ".service"); ok {
		return bounded(unescape(c))
	}
	if c, ok := cutBoth(name, "machine-", ".scope"); ok {
		if c = unescape(c); !strings.HasPrefix(c, "qemu-") {
			return bounded(c)
		}
	}
	return ""
}

func cutBoth(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

// unescape undoes the \xNN of systemd's unit names (systemd-escape(1)).
func unescape(s string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, `\x`)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		n, err := strconv.ParseUint(after[:min(2, len(after))], 16, 8)
		if err != nil || len(after) < 2 {
			out.WriteString(`\x`)
			s = after
			continue
		}
		out.WriteByte(byte(n))
		s = after[2:]
	}
}

// isID reports whether s is from least to 64 hexadecimal digits.
func isID(s string, least int) bool {
	if len(s) < least || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unit returns the systemd unit that a path ends in.
func unit(path string) string {
	slice := ""
	names := strings.Split(path, "/")
	for i := len(names) - 1; i > 0; i-- {
		switch name := names[i]; {
		case len(name) > maxName:
		case strings.HasSuffix(name, ".service"), strings.HasSuffix(name, ".scope"):
			return name
		case slice == "" && strings.HasSuffix(name, ".slice"):
			slice = name
		}
	}
	return slice
}

func bounded(name string) string {
	if len(name) > maxName {
		return ""
	}
	return name
}

// Short is a container as docker ps prints it: the first 12 digits of an id, a
// name in full.
func Short(container string) string {
	if isID(container, 13) {
		return container[:12]
	}
	return container
}
