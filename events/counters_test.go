package events

import "testing"

func TestCounterNames(t *testing.T) {
	met := map[string]bool{}
	for n := range NumCounters {
		for _, name := range []string{n.String(), n.Kernel()} {
			if name == "" || met[name] {
				t.Errorf("counter %d: name %q is empty or another's", n, name)
			}
			met[name] = true
		}
		if back, ok := ParseCounter(n.String()); !ok || back != n {
			t.Errorf("ParseCounter(%q) = %s, %v", n, back, ok)
		}
	}
	if _, ok := ParseCounter("ListenDrops"); ok {
		t.Error("the kernel's name is not the contract's")
	}
}
