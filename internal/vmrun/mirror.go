package vmrun

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Mirrors are the archives to fetch from.
type Mirrors struct {
	Main     string
	Security string
}

// keyring holds the keys of Debian's archive, of old releases too.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// SystemMirrors returns the mirrors that this system's apt is set up for.
func SystemMirrors() (Mirrors, error) {
	if err := need("apt-get"); err != nil {
		return Mirrors{}, err
	}
	if _, err := os.Stat(keyring); err != nil {
		return Mirrors{}, fmt.Errorf("no keys of Debian's archive (%w): apt-get install debian-archive-keyring", err)
	}
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI)").Output()
	if err != nil {
		return Mirrors{}, fmt.Errorf("ask apt for its mirrors: %w", err)
	}
	m := parseTargets(string(out))
	if m.Main == "" || m.Security == "" {
		return Mirrors{}, errors.New("apt is set up for no mirror of Debian: give -mirror and -security-mirror")
	}
	return m, nil
}

// parseTargets finds Debian's archives among apt's index targets, by the last
// element of their paths.
func parseTargets(out string) Mirrors {
	var m Mirrors
	for line := range strings.Lines(out) {
		kind, uri, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind != "Packages" {
			continue
		}
		uri = strings.TrimRight(uri, "/")
		switch name := uri[strings.LastIndexByte(uri, '/')+1:]; {
		case name == "debian" && m.Main == "":
			m.Main = uri
		case name == "debian-security" && m.Security == "":
			m.Security = uri
		}
	}
	return m
}
