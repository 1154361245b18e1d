package kerneltest

import (
	"os/exec"
	"testing"
)

// Filter sets the packet rules of a namespace at a hook, input or output, in
// place of those there; none lets everything pass. What is dropped at input was
// sent without an error; at output the sender gets EPERM.
func (n *Netns) Filter(t testing.TB, hook string, rules ...string) {
	t.Helper()
	NeedProgram(t, "nft")
	commands := []string{
		"add table inet test",
		"add chain inet test " + hook + " { type filter hook " + hook + " priority 0; }",
		"flush chain inet test " + hook,
	}
	for _, rule := range rules {
		commands = append(commands, "add rule inet test "+hook+" "+rule)
	}
	for _, c := range commands {
		var out []byte
		var err error
		n.Do(func() { out, err = exec.Command("nft", c).CombinedOutput() })
		if err != nil {
			t.Fatalf("nft %s: %v: %s", c, err, out)
		}
	}
}
