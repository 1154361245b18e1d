package main

import (
	"os/exec"
	"strings"
	"testing"
)

const modulePath = "github.com/tcpwatch/tcpwatch/"

// mayImport is the direction of imports that docs/architecture.md draws: what
// of ours each package may depend on, directly or not.
var mayImport = map[string]string{
	"model":              "",
	"internal/printable": "",
	"internal/suggest":   "",
	"internal/symbols":   "internal/printable",
	"internal/netns":     "",
	"internal/demo":      "",
	"internal/vmrun":     "",
	"events":             "model",
	"bpf":                "",
	"internal/snmp":      "events model",
	"internal/diag":      "",
	"internal/nat":       "",
	"internal/probe":     "bpf events model internal/diag internal/netns internal/snmp",
	"internal/cgroup":    "events model",
	"internal/track":     "events model",
	"internal/watch":     "internal/track events model",
	"internal/sink":      "internal/track events model",
	"internal/found":     "internal/track events model",
	"internal/record":    "internal/track events model internal/printable",
	"internal/filter":    "internal/cgroup internal/record internal/track events model internal/printable internal/suggest",
	"internal/ladder":    "internal/track events model",
	"internal/view":      "internal/cgroup internal/ladder internal/record internal/track internal/waits events model internal/printable",
	"internal/check":     "internal/track internal/waits events model internal/printable",
	"internal/waits":     "internal/track events model internal/printable",
	"internal/notify":    "internal/alert internal/cgroup internal/filter internal/ladder internal/record internal/suggest internal/track internal/view internal/waits events model internal/printable",
	"internal/metrics":   "internal/track events model internal/printable",
	"internal/alert":     "internal/cgroup internal/filter internal/ladder internal/record internal/suggest internal/track internal/view internal/waits events model internal/printable",
	"internal/ruletest":  "internal/alert internal/cgroup internal/filter internal/ladder internal/record internal/suggest internal/track internal/view internal/waits events model internal/printable",
	"internal/tui":       "internal/track events model internal/printable",

	"internal/explore":    "model",
	"internal/kerneldoc":  "internal/vmrun",
	"internal/kerneltest": "",
	"internal/tunpeer":    "internal/kerneltest",
	"internal/mill":       "internal/kerneltest",
}

func TestImportsPointOneWay(t *testing.T) {
	for pkg, allowed := range mayImport {
		out, err := exec.Command("go", "list", "-deps", modulePath+pkg).Output()
		if err != nil {
			t.Fatalf("list dependencies of %s: %v", pkg, err)
		}
		for _, dep := range strings.Fields(string(out)) {
			ours, ok := strings.CutPrefix(dep, modulePath)
			if ok && ours != pkg && !strings.Contains(" "+allowed+" ", " "+ours+" ") {
				t.Errorf("%s imports %s, want only: %s", pkg, ours, allowed)
			}
		}
	}
}
