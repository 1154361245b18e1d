package vmrun

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstChild returns the pid of a child of a process, empty if it has none.
func firstChild(pid int) string {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is fine
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		if pids := strings.Fields(string(b)); len(pids) > 0 {
			return pids[0]
		}
	}
	return ""
}

func TestLibraries(t *testing.T) {
	static, err := libraries(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	sh, err := libraries("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("this test:", static, "sh:", sh)
	if len(sh) > 0 && !strings.Contains(strings.Join(sh, " "), "libc.so") {
		t.Errorf("sh needs %v, without a libc", sh)
	}
	if some, err := libraries("lock.go"); err != nil || some != nil {
		t.Errorf("a text needs %v, %v", some, err)
	}
}
