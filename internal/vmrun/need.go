package vmrun

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// installs names Debian's package of each program that this one runs or packs,
// where it is not called as the program.
var installs = map[string]string{
	"qemu-system-x86_64":  "qemu-system-x86",
	"qemu-system-aarch64": "qemu-system-arm",
	"xz":                  "xz-utils",
	"dpkg-deb":            "dpkg",
	"apt-get":             "apt",
	"apt-cache":           "apt",
	"go":                  "golang-go",
	"ss":                  "iproute2",
	"tc":                  "iproute2",
	"ip":                  "iproute2",
	"nft":                 "nftables",
	"unshare":             "util-linux",
	"sleep":               "coreutils",
	"sh":                  "dash",
}

// FetchPrograms returns the programs that Fetcher runs.
func FetchPrograms() []string { return []string{"apt-get", "apt-cache", "dpkg-deb", "xz"} }

// need returns an error that says what to install if programs are missing.
func need(programs ...string) error {
	var missing, packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil || slices.Contains(missing, p) {
			continue
		}
		missing = append(missing, p)
		pkg, ok := installs[p]
		if !ok {
			pkg = p
		}
		if !slices.Contains(packages, pkg) {
			packages = append(packages, pkg)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("no %s here: apt-get install -y --no-install-recommends %s",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}
