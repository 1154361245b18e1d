package probe

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// What the kernel's types say of a feature, a program that needs it confirms,
// on every kernel.
func TestTypesTellTheTruth(t *testing.T) {
	kerneltest.RequireRoot(t)
	types := btf.NewCache()
	kernel, err := types.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	for i := range features {
		row := &features[i]
		t.Run(row.name, func(t *testing.T) {
			read := row.read(kernel)
			if read == CannotTell {
				t.Errorf("the types cannot tell")
			}
			if row.attempt == nil {
				t.Logf("%s, and no program can tell", read)
				return
			}
			if tried := row.try(types); tried != read {
				t.Errorf("the types say %s, a program %s", read, tried)
			}
		})
	}
}

// Types without functions, as external ones may be, cannot tell of helpers; the
// kernel is asked then.
func TestTypesWithoutFunctionsCannotTell(t *testing.T) {
	kerneltest.RequireRoot(t)
	var b btf.Builder
	if _, err := b.Add(&btf.Struct{Name: "sock", Size: 1}); err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	types := btf.NewCache()
	kernel, err := types.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []Feature{CookieHelper, SkStorage, SockFromFile, TaskBTF, SkipsNested, NetnsCookie} {
		if got := features[which].read(empty); got != CannotTell {
			t.Errorf("%v: %v", which, got)
		}
	}
	if got, want := probeFeatures(empty, types).Answers[CookieHelper], probeFeatures(kernel, types).Answers[CookieHelper]; got != want {
		t.Errorf("asked in place of the types, the kernel says %v, want %v", got, want)
	}
}
