package vmrun

import (
	"reflect"
	"strings"
	"testing"
)

// The pairs are in order; dpkg --compare-versions agrees.
func TestCompareVersions(t *testing.T) {
	ordered := []string{
		"5.10.9-1", "5.10.226-1", "5.10.262~rc1-1", "5.10.262-1~bpo1", "5.10.262-1", "5.10.262-1+b1", "5.10.262-2",
		"5.10.262-10", "5.10.262a-1", "5.10.262+deb-1", "6.1.192-2", "6.12.117-1", "7.3.4-1~bpo13+1", "7.3.4-1",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := compareVersions(a, b); got != want {
				t.Errorf("%s and %s compare as %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestFindSeries(t *testing.T) {
	for name, want := range map[string]string{
		"5.10": "5.10", "6.1": "6.1", "6.12": "6.12", "6.12.3": "6.12", "7": "7", "7.x": "7", "7.3": "7",
		"6": "", "6.13": "", "": "", "5.1": "", "71": "",
	} {
		s, ok := findSeries(name)
		if ok != (want != "") || ok && s.name != want {
			t.Errorf("series of %q: %v, want %q", name, s, want)
		}
	}
	if got, err := ParseSeries("7.3,5.10"); err != nil || !reflect.DeepEqual(got, []string{"7", "5.10"}) {
		t.Errorf("list: %v, %v", got, err)
	}
	if _, err := ParseSeries("5.10,"); err == nil {
		t.Error("an empty name in a list was taken")
	}
}

const stanzas = `Package: linux-binary-unsigned-7.2.12+deb13-cloud-amd64
Version: 7.2.12-1~bpo13+1
Description: several
 SHA256: not one
SHA256: a

Package: linux-modules-7.2.12+deb13-cloud-amd64
Version: 7.2.12-1~bpo13+1
SHA256: b

Package: linux-modules-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
SHA256: c

Package: linux-modules-7.2.12+deb13-cloud-amd64
Version: 7.2.12-1~bpo13+0
SHA256: d
`

// The newest release that has all its packages wins, in the order in which the
// series names them.
func TestNewestIsComplete(t *testing.T) {
	s, _ := findSeries("7")
	debs, err := parseStanzas(strings.NewReader(stanzas), s.name)
	if err != nil || len(debs) != 4 {
		t.Fatalf("read %v, %v", debs, err)
	}
	want := Lock{debs[0], debs[1]}
	if got := s.newest(debs); !reflect.DeepEqual(got, want) {
		t.Errorf("newest %v, want %v", got, want)
	}
	if got := s.newest(debs[2:]); got != nil {
		t.Errorf("newest of an incomplete release: %v", got)
	}
	if !want.has(debs) {
		t.Error("what was chosen is not there")
	}
	want[1].SHA256 = "other"
	if want.has(debs) {
		t.Error("a package with another hash passes for the pinned one")
	}
}

func TestParseTargets(t *testing.T) {
	const out = "Packages http://a.example/debian/\nDEP-11 http://b.example/debian-security/\n" +
		"Packages http://c.example/apt/\nPackages http://d.example/x/debian-security/\n"
	want := Mirrors{Main: "http://a.example/debian", Security: "http://d.example/x/debian-security"}
	if got := parseTargets(out); got != want {
		t.Errorf("mirrors %v, want %v", got, want)
	}
}
