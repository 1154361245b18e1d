package vmrun

import (
	"fmt"
	"regexp"
	"strings"
)

// series is a line of kernels, and where Debian keeps it.
type series struct {
	name   string
	suites []suite // the first that has one wins
	// packages match the names of what is needed; the submatch is the kernel's
	// release and must be the same for all.
	packages []*regexp.Regexp
	lockless bool // see bootArgs
	arch     *arch
}

// suite is a part of the archive.
type suite struct {
	name     string
	security bool // on the mirror of security updates
}

// allSeries lists the kernels that tests run on, the oldest first, those of other
// processors last. Versions are prefixes: 7 is the newest 7.x.
var allSeries = []series{
	{name: "5.10", suites: []suite{{"bullseye-security", true}, {"bullseye", false}}, arch: &amd64, packages: oneImage(`5\.10\.`, "amd64")},
	{name: "6.1", suites: []suite{{"bookworm-security", true}, {"bookworm", false}}, arch: &amd64, packages: oneImage(`6\.1\.`, "amd64")},
	{name: "6.12", suites: []suite{{"trixie-security", true}, {"trixie", false}}, arch: &amd64, packages: oneImage(`6\.12\.`, "amd64")},
	// From 7.2 on the image is a package of its own, apart from the modules.
	{name: "7", suites: []suite{{"trixie-backports", false}, {"sid", false}}, lockless: true, arch: &amd64, packages: []*regexp.Regexp{
		regexp.MustCompile(`^linux-binary-unsigned-(7\.[^-]+)-cloud-amd64$`),
		regexp.MustCompile(`^linux-modules-(7\.[^-]+)-cloud-amd64$`),
	}},
	{name: "6.12-arm64", suites: []suite{{"trixie-security", true}, {"trixie", false}}, arch: &arm64, packages: oneImage(`6\.12\.`, "arm64")},
}

// oneImage is for kernels whose image and modules are one package.
func oneImage(release, arch string) []*regexp.Regexp {
	return []*regexp.Regexp{regexp.MustCompile(`^linux-image-(` + release + `[a-z0-9.+~-]+)-cloud-` + arch + `$`)}
}

// SeriesNames returns the names of all series, in order.
func SeriesNames() []string {
	var names []string
	for _, s := range allSeries {
		names = append(names, s.name)
	}
	return names
}

// defaultSeries returns the names of the series of amd64: others take emulation
// wherever the tests run today, and tests built for them.
func defaultSeries() []string {
	var names []string
	for _, s := range allSeries {
		if s.arch == &amd64 {
			names = append(names, s.name)
		}
	}
	return names
}

// findSeries returns the series that a user means: 7, 7.x and 7.3 are the same.
func findSeries(name string) (*series, bool) {
	name = strings.TrimSuffix(name, ".x")
	for i := range allSeries {
		s := &allSeries[i]
		if name == s.name || strings.HasPrefix(name, s.name+".") {
			return s, true
		}
	}
	return nil, false
}

// ParseSeries splits a list such as 5.10,7.3 into names of series. An empty one
// means all of amd64.
func ParseSeries(list string) ([]string, error) {
	if list == "" {
		return defaultSeries(), nil
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		s, ok := findSeries(name)
		if !ok {
			return nil, fmt.Errorf("unknown kernel series %q, want one of %s", name, strings.Join(SeriesNames(), ", "))
		}
		names = append(names, s.name)
	}
	return names, nil
}
