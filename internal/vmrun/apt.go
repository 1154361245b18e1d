package vmrun

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// apt is apt with one suite as its only source, and with lists, cache and
// status of its own: the system's are never touched.
type apt struct {
	dir  string
	arch string // as Debian calls it
}

// newApt makes dir the home of an apt that knows one suite, and reads the
// suite's signed index.
func newApt(ctx context.Context, dir string, m Mirrors, s suite, arch string) (*apt, error) {
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	uri := m.Main
	if s.security {
		uri = m.Security
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, uri, s.name)
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644); err != nil {
		return nil, err
	}
	a := &apt{dir: dir, arch: arch}
	// Without the option apt-get would call a failed download a warning.
	if _, err := a.run(ctx, dir, "apt-get", "-o", "APT::Update::Error-Mode=any", "update"); err != nil {
		return nil, fmt.Errorf("read index of %s: %w", s.name, err)
	}
	return a, nil
}

// options keep apt off the system's files. An old release's index may have
// expired; what it lists is signed all the same.
func (a *apt) options() []string {
	var options []string
	for _, o := range []string{
		"Dir::Etc::SourceList=" + filepath.Join(a.dir, "sources.list"),
		"Dir::Etc::SourceParts=/dev/null",
		"Dir::Etc::Preferences=/dev/null",
		"Dir::Etc::PreferencesParts=/dev/null",
		"Dir::State::Lists=" + filepath.Join(a.dir, "lists"),
		"Dir::State::status=/dev/null",
		"Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"APT::Architecture=" + a.arch,
		"APT::Architectures=" + a.arch,
		"APT::Sandbox::User=root", // the cache is private: apt's own user could not write there
		"Acquire::Languages=none",
		"Acquire::Check-Valid-Until=false",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"Acquire::Retries=3",
	} {
		options = append(options, "-o", o)
	}
	return options
}

func (a *apt) run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, append(a.options(), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = dieWithParent()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// candidates returns the packages of the series in the signed index.
func (a *apt) candidates(ctx context.Context, s *series) ([]Deb, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range strings.FieldsSeq(string(out)) {
		if s.wants(name) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, nil
	}
	if out, err = a.run(ctx, a.dir, "apt-cache", append([]string{"show"}, names...)...); err != nil {
		return nil, err
	}
	return parseStanzas(bytes.NewReader(out), s.name)
}

// wants reports whether a package is one of the series.
func (s *series) wants(name string) bool {
	for _, p := range s.packages {
		if p.MatchString(name) {
			return true
		}
	}
	return false
}

// parseStanzas reads what apt-cache show prints.
func parseStanzas(r io.Reader, seriesName string) ([]Deb, error) {
	var debs []Deb
	deb := Deb{Series: seriesName}
	end := func() {
		if deb.Package != "" && deb.Version != "" && deb.SHA256 != "" {
			debs = append(debs, deb)
		}
		deb = Deb{Series: seriesName}
	}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "":
			end()
		case "Package":
			deb.Package = value
		case "Version":
			deb.Version = value
		case "SHA256":
			deb.SHA256 = value
		}
	}
	end()
	return debs, scanner.Err()
}

// download fetches a package into dir and returns the file's path. apt checks
// it against the signed index.
func (a *apt) download(ctx context.Context, dir string, d Deb) (string, error) {
	if _, err := a.run(ctx, dir, "apt-get", "download", d.Package+"="+d.Version); err != nil {
		return "", fmt.Errorf("download %s %s: %w", d.Package, d.Version, err)
	}
	found, err := filepath.Glob(filepath.Join(dir, d.Package+"_*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("download %s %s: %d files instead of one", d.Package, d.Version, len(found))
	}
	return found[0], nil
}
