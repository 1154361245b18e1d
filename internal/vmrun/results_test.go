package vmrun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func someResults() *Results {
	r := newResults([]string{"5.10", "7"}, []testPackage{{name: "internal/probe"}, {name: "internal/e2e"}})
	r.WallSeconds = 61.2
	r.Kernels[0].Release = "5.10.0-46-cloud-amd64"
	r.Kernels[0].Packages[0] = PackageResult{
		Package: "internal/probe", OK: true, Seconds: 12.34, BootSeconds: 3.5, Files: []string{"load.json"},
		Tests: []TestResult{
			{"TestA", Pass, 1, ""}, {"TestA/x", Skip, 0, "no x"}, {"TestB", Skip, 0.5, ""}, {"TestC", Pass, 0, ""},
		},
	}
	r.Kernels[0].Packages[1] = PackageResult{
		Package: "internal/e2e", Seconds: 30,
		Tests: []TestResult{{"TestD", Fail, 1, ""}, {"TestD/x", Fail, 1, ""}, {"TestE", Unfinished, 0, ""}},
	}
	r.Kernels[1].Packages[0] = PackageResult{Package: "internal/probe", Error: "the guest hangs", Seconds: 4, Tests: []TestResult{}}
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := someResults().Print(&b); err != nil {
		t.Fatal(err)
	}
	const want = `PACKAGE          5.10                     7
internal/probe   ok 12.3s 2 (2 skipped)   GUEST 4.0s 0
internal/e2e     FAIL 30.0s 0 -2          not run
uname -r         5.10.0-46-cloud-amd64    
total 61s
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestSkipsAreListed(t *testing.T) {
	var b strings.Builder
	if err := someResults().PrintSkips(&b); err != nil {
		t.Fatal(err)
	}
	const want = "skipped on 5.10: internal/probe TestA/x: no x\nskipped on 5.10: internal/probe TestB: no reason given\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestResultsAreSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	want := someResults()
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, ResultsName))
	if err != nil {
		t.Fatal(err)
	}
	var got Results
	if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if strings.Contains(string(data), "null") {
		t.Errorf("a list is null in\n%s", data)
	}
}

func TestAllOK(t *testing.T) {
	r := newResults([]string{"6.1"}, []testPackage{{name: "a"}, {name: "b"}})
	for i := range r.Kernels[0].Packages {
		if r.allOK() {
			t.Errorf("all is well before package %d has run", i)
		}
		r.Kernels[0].Packages[i].OK = true
	}
	if !r.allOK() {
		t.Error("not all is well when both are")
	}
}
