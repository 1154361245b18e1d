package kerneltest

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// HasFunc reports whether the kernel's BTF has a function.
func HasFunc(t testing.TB, name string) bool {
	t.Helper()
	var fn *btf.Func
	return kernelTypes(t).TypeByName(name, &fn) == nil
}

// HasStruct reports whether the kernel's BTF has a structure.
func HasStruct(t testing.TB, name string) bool {
	t.Helper()
	var s *btf.Struct
	return kernelTypes(t).TypeByName(name, &s) == nil
}

func kernelTypes(t testing.TB) *btf.Spec {
	t.Helper()
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatalf("read the kernel's BTF: %v", err)
	}
	return spec
}

// HasEnumerator reports whether an enum of the kernel's BTF has a value.
func HasEnumerator(t testing.TB, enum, name string) bool {
	t.Helper()
	var e *btf.Enum
	if kernelTypes(t).TypeByName(enum, &e) != nil {
		return false
	}
	for _, v := range e.Values {
		if v.Name == name {
			return true
		}
	}
	return false
}
