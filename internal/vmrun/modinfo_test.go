package vmrun

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseModinfo(t *testing.T) {
	for _, test := range []struct {
		name, section string
		want          moduleInfo
		fails         bool
	}{
		{"empty", "", moduleInfo{}, false},
		{"alone", "license=GPL\x00depends=\x00name=veth\x00", moduleInfo{Name: "veth"}, false},
		{"padded", "\x00\x00name=nft_ct\x00\x00depends=nf_tables,nf-conntrack\x00\x00\x00",
			moduleInfo{Name: "nft_ct", Depends: []string{"nf_tables", "nf_conntrack"}}, false},
		{"value with =", "parm=a=b\x00name=x\x00", moduleInfo{Name: "x"}, false},
		{"no NUL at the end", "name=x", moduleInfo{Name: "x"}, false},
		{"no =", "name\x00", moduleInfo{}, true},
	} {
		got, err := parseModinfo([]byte(test.section))
		if (err != nil) != test.fails || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, %v; want %+v, error %v", test.name, got, err, test.want, test.fails)
		}
	}
}

func FuzzParseModinfo(f *testing.F) {
	f.Add([]byte("depends=a,b\x00name=c\x00"))
	f.Fuzz(func(t *testing.T, section []byte) {
		m, err := parseModinfo(section)
		if err == nil && slices.Contains(m.Depends, "") {
			t.Errorf("empty dependency in %q", section)
		}
	})
}

func TestLoadOrder(t *testing.T) {
	graph := map[string][]string{
		"veth": nil, "nft_ct": {"nf_tables", "nf_conntrack"}, "nf_tables": {"libcrc32c"},
		"nf_conntrack": {"libcrc32c", "nf_defrag"}, "libcrc32c": nil, "nf_defrag": nil,
		"a": {"b"}, "b": {"c"}, "c": {"a"},
	}
	errAbsent := errors.New("absent")
	deps := func(name string) ([]string, error) {
		needs, ok := graph[name]
		if !ok {
			return nil, errAbsent
		}
		return needs, nil
	}
	order, err := loadOrder([]string{"nft-ct", "veth", "nft_ct"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, " "), "libcrc32c nf_tables nf_defrag nf_conntrack nft_ct veth"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if _, err := loadOrder([]string{"nothing"}, deps); !errors.Is(err, errAbsent) {
		t.Errorf("absent module: %v", err)
	}
	if _, err := loadOrder([]string{"a"}, deps); err == nil || !strings.Contains(err.Error(), "a > b > c > a") {
		t.Errorf("circle: %v", err)
	}
}

func TestOptionalModules(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"veth", "tcp_diag"} {
		if err := os.WriteFile(filepath.Join(dir, name+".ko"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := presentModules(dir, []string{"veth", "?tcp-diag", "?mptcp_diag", "gone"})
	if want := []string{"veth", "tcp_diag", "gone"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v: only an optional one may be left out", got, err, want)
	}
}
