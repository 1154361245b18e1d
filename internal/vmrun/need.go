package vmrun

import (
	"fmt"
	"os/exec"
	"strings"
)

// installs names the package that brings each program that vmrun runs.
var installs = map[string]string{
	"qemu-system-x86_64": "qemu-system-x86",
	"xz":                 "xz-utils",
	"dpkg-deb":           "dpkg",
	"apt-get":            "apt",
	"apt-cache":          "apt",
	"go":                 "golang-go",
}

// need returns an error that says what to install if a program is missing.
func need(programs ...string) error {
	var missing, packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
			packages = append(packages, installs[p])
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("no %s here: apt-get install -y --no-install-recommends %s",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}
