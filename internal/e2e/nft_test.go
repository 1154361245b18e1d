package e2e

import (
	"os/exec"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// nft sets the rules for what arrives at the sockets of a namespace: what is
// dropped there was sent without an error.
func nft(t *testing.T, ns *kerneltest.Netns, rules ...string) {
	t.Helper()
	kerneltest.NeedProgram(t, "nft")
	commands := [][]string{
		{"add", "table", "inet", "t"},
		{"add", "chain", "inet", "t", "in", "{ type filter hook input priority 0; }"},
		{"flush", "chain", "inet", "t", "in"},
	}
	for _, rule := range rules {
		commands = append(commands, []string{"add", "rule", "inet", "t", "in", rule})
	}
	ns.Do(func() {
		for _, c := range commands {
			if out, err := exec.Command("nft", c...).CombinedOutput(); err != nil {
				t.Fatalf("nft %v: %v: %s", c, err, out)
			}
		}
	})
}
