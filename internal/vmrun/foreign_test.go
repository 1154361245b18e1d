package vmrun

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestForeignPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range allSeries {
		s := &allSeries[i]
		k := Kernel{Series: s.name, series: s}
		native := s.arch.name == runtime.GOARCH
		if got := k.runs(self); got != native {
			t.Errorf("kernel %s runs this test: %v", s.name, got)
		}
		if !k.runs("foreign.go") {
			t.Errorf("kernel %s is not given a text", s.name)
		}
		err := checkBinary(self, k)
		if native && err != nil || !native && (err == nil || !strings.Contains(err.Error(), "GOARCH="+s.arch.name)) {
			t.Errorf("kernel %s: error %v", s.name, err)
		}
	}
	if err := checkBinary("/no/such/file", Kernel{series: &allSeries[0]}); err == nil {
		t.Error("a file that is not there is none for another processor")
	}
}
