package vmrun

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNeedSaysWhatToInstall(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "xz"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if err := need("xz"); err != nil {
		t.Errorf("xz is there, got %v", err)
	}
	const want = "no qemu-system-x86_64, ss, tc, tmux here: " +
		"apt-get install -y --no-install-recommends qemu-system-x86 iproute2 tmux"
	if err := need("qemu-system-x86_64", "ss", "xz", "tc", "tmux", "ss"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
