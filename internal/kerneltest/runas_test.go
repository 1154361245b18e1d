package kerneltest

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunAsHasExactlyTheCapabilities(t *testing.T) {
	for _, caps := range [][]string{nil, {"CAP_BPF"}, {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"}} {
		want := uint64(0)
		for _, c := range caps {
			want |= 1 << capabilities[c]
		}
		out, errOut, code := RunAs(t, Nobody, caps, "/bin/cat", "/proc/self/status")
		if code != 0 || errOut != "" {
			t.Fatalf("code %d, %s", code, errOut)
		}
		status := statusLines(out)
		for _, set := range []string{"CapPrm", "CapEff", "CapAmb"} {
			if got, err := strconv.ParseUint(status[set], 16, 64); err != nil || got != want {
				t.Errorf("%v: %s is %s, want %x", caps, set, status[set], want)
			}
		}
		if uids := strings.Fields(status["Uid"]); len(uids) != 4 || uids[1] != strconv.Itoa(Nobody) {
			t.Errorf("uids %v", uids)
		}
		if status["Groups"] != "" {
			t.Errorf("groups %s", status["Groups"])
		}
	}
}

func TestRunAsReturnsWhatTheProgramSaid(t *testing.T) {
	out, errOut, code := RunAs(t, Nobody, nil, "/bin/sh", "-c", "id -u; echo oops >&2; exit 7")
	if out != strconv.Itoa(Nobody)+"\n" || errOut != "oops\n" || code != 7 {
		t.Errorf("%q, %q, %d", out, errOut, code)
	}
	if _, _, code := RunAs(t, Nobody, nil, "/bin/sh", "-c", "kill -9 $$"); code != -1 {
		t.Errorf("killed: %d, want -1", code)
	}
}

// statusLines splits the lines of /proc/self/status.
func statusLines(text string) map[string]string {
	status := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		status[key] = strings.TrimSpace(value)
	}
	return status
}

func TestBuiltBinaryRunsAsNobody(t *testing.T) {
	RequireRoot(t)
	path := BuildTcpwatch(t)
	if again := BuildTcpwatch(t); again != path {
		t.Errorf("built twice: %s, %s", path, again)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&0o777 != 0o755 {
		t.Fatalf("%s: mode %o, %v", path, st.Mode, err)
	}
	if _, errOut, code := RunAs(t, Nobody, nil, path, "version"); code < 0 || code > 5 {
		t.Errorf("code %d: %s", code, errOut)
	}
}
