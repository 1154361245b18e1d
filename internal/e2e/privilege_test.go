package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// What an ordinary user is told, and what the two capabilities suffice for.
func TestWithoutPrivilege(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	binary := kerneltest.BuildTcpwatch(t)
	setcap := "sudo setcap cap_bpf,cap_perfmon+ep " + binary
	tests := map[string]struct {
		caps    []string
		missing string
	}{
		"none":        {nil, "CAP_BPF and CAP_PERFMON"},
		"CAP_BPF":     {[]string{"CAP_BPF"}, "missing CAP_PERFMON"},
		"CAP_PERFMON": {[]string{"CAP_PERFMON"}, "missing CAP_BPF"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{{"trace"}, {"sockets"}, {"history"}, {}, {"demo", "--live"}} {
				out, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, test.caps, binary, args...)
				if code != 3 || out != "" || !strings.Contains(errOut, test.missing) || !strings.Contains(errOut, setcap) {
					t.Errorf("%v: exit code %d, %q, %q; want 3, nothing, %s and %s", args, code, out, errOut, test.missing, setcap)
				}
			}
			out, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, test.caps, binary, "doctor")
			if code != 3 || !strings.Contains(out, "MISSING") || !strings.Contains(out, setcap) || errOut == "" {
				t.Errorf("doctor: exit code %d, %q, %q", code, out, errOut)
			}
			checkDoctorJSON(t, false, test.caps)
		})
	}
}

// checkDoctorJSON checks that what doctor prints as JSON says whether tcpwatch
// is usable.
func checkDoctorJSON(t *testing.T, usable bool, caps []string) {
	t.Helper()
	out, _, code := kerneltest.RunAs(t, kerneltest.Nobody, caps, kerneltest.BuildTcpwatch(t), "doctor", "-o", "json")
	var report struct {
		Usable   bool
		Findings []struct {
			Name, Detail, Fix string
			OK, Required      bool
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("doctor: %v: %s", err, out)
	}
	want := map[bool]int{true: 0, false: 3}[usable]
	if report.Usable != usable || code != want || len(report.Findings) == 0 {
		t.Errorf("doctor: usable %v, exit code %d, %d findings", report.Usable, code, len(report.Findings))
	}
	for _, f := range report.Findings {
		if f.Required && !f.OK && f.Fix == "" {
			t.Errorf("doctor does not say how to mend %+v", f)
		}
	}
}

// With CAP_BPF and CAP_PERFMON alone everything is seen as it happens, and of
// what is there, what can be reached; the rest is stated.
func TestWithTwoCapabilities(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	binary := kerneltest.BuildTcpwatch(t)
	caps := []string{"CAP_BPF", "CAP_PERFMON"}
	if kerneltest.HasStruct(t, "bpf_map_memory") { // BPF memory counts as locked memory, up to 5.10
		// A test that watches in this process has raised its limit, which children inherit.
		_, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, caps, "/bin/sh", "-c", `ulimit -l 64 && exec "$0" trace`, binary)
		if code != 3 || !strings.Contains(errOut, "CAP_SYS_RESOURCE") || !strings.Contains(errOut, "cap_bpf,cap_perfmon,cap_sys_resource+ep") {
			t.Errorf("trace with a memory limit: exit code %d: %s", code, errOut)
		}
		caps = append(caps, "CAP_SYS_RESOURCE")
	}
	checkDoctorJSON(t, true, caps)
	if out, _, code := kerneltest.RunAs(t, kerneltest.Nobody, caps, binary, "doctor"); code != 0 || !strings.Contains(out, "CAP_SYS_ADMIN") {
		t.Errorf("doctor: exit code %d: %s", code, out)
	}

	ns := newNetns(t)
	rest := keepChurning(t, ns, kerneltest.ChurnOptions{Connections: 1}, 50*time.Millisecond)
	out, errOut, code := kerneltest.RunAs(t, kerneltest.Nobody, caps, binary, "trace", "-o", "jsonl", "--for", "2s", "--netns", fmt.Sprint(ns.Inum()))
	rest()
	closed := sift(parseLines(t, []byte(out)), func(l *line) bool { return l.Event == "closed" && l.Owner.PID == uint32(pidOfTest) })
	if code != 0 || len(closed) == 0 || !strings.Contains(errOut, "CAP_SYS_ADMIN") {
		t.Errorf("trace: exit code %d, %d ends; %s", code, len(closed), errOut)
	}

	l := kerneltest.Listen(t, kerneltest.IPv4) // in the program's own namespace
	port := l.Addr().(*net.TCPAddr).Port
	out, errOut, code = kerneltest.RunAs(t, kerneltest.Nobody, caps, binary, "sockets", "-o", "jsonl", "--lport", fmt.Sprint(port))
	found := parseLines(t, []byte(out))
	if code != 0 || len(found) != 1 || found[0].State != "LISTEN" || found[0].Owner.PID != uint32(pidOfTest) {
		t.Errorf("sockets: exit code %d: %s", code, out)
	}
	if !strings.Contains(errOut, "other network namespaces") {
		t.Errorf("sockets does not say what it did not see: %q", errOut)
	}
}

// A kernel that shows no types cannot be watched, and the error says so.
func TestWithoutBTF(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, verb := range []string{"trace", "sockets", "doctor"} {
		r := hidingBTF(t, verb)
		code := r.wait()
		said := r.stderr()
		if verb == "doctor" {
			said += string(r.stdout())
		}
		if code != 3 || !strings.Contains(said, "BTF") || !strings.Contains(said, "CONFIG_DEBUG_INFO_BTF=y") {
			t.Errorf("%s: exit code %d: %s", verb, code, said)
		}
	}
}

// hidingBTF runs tcpwatch where the kernel's types are hidden.
func hidingBTF(t *testing.T, args ...string) *run {
	t.Helper()
	script := `mount -t tmpfs tmpfs /sys/kernel/btf && exec "$0" "$@"`
	return startCommand(t, exec.Command("unshare", append([]string{"-m", "sh", "-c", script, kerneltest.BuildTcpwatch(t)}, args...)...))
}

// With a copy of the types, a kernel that hides its own is watched all the same.
func TestExternalBTF(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := file("own", raw)

	doctor := hidingBTF(t, "--btf", own, "doctor")
	if code := doctor.wait(); code != 0 {
		t.Errorf("doctor: exit code %d: %s%s", code, doctor.stdout(), doctor.stderr())
	}
	ns := newNetns(t)
	r := hidingBTF(t, "--btf", own, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	r.interrupt() // checks the exit code

	for name, wrong := range map[string]struct {
		content []byte
		code    int
		says    string
	}{
		"of another kernel": {otherTypes(t, raw), 3, "not of the running kernel"},
		"garbage":           {[]byte("\x1f\x8b garbage"), 2, "holds none"},
		"cut short":         {raw[:len(raw)/2], 2, "holds none"},
	} {
		r := hidingBTF(t, "--btf", file("wrong", wrong.content), "trace")
		if code := r.wait(); code != wrong.code || !strings.Contains(r.stderr(), wrong.says) {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, wrong.code, r.stderr())
		}
	}
	if r := hidingBTF(t, "--btf", filepath.Join(dir, "none"), "trace"); r.wait() != 2 {
		t.Errorf("a file that is not there: %s", r.stderr())
	}
}

// otherTypes are types in which the tracepoints have other numbers than in the kernel.
func otherTypes(t *testing.T, raw []byte) []byte {
	t.Helper()
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	b, err := btf.NewBuilder([]btf.Type{&btf.Int{Name: "one more", Size: 4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for typ, err := range spec.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, isVoid := typ.(*btf.Void); isVoid {
			continue
		}
		if def, ok := typ.(*btf.Typedef); ok && strings.HasPrefix(def.Name, "btf_trace_tcp_") || ok && def.Name == "btf_trace_inet_sock_set_state" {
			if _, err := b.Add(typ); err != nil {
				t.Fatal(err)
			}
		}
	}
	other, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return other
}
