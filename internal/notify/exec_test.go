package notify

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// script returns the argv of a hook.
func script(t *testing.T, text string, args ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{"/bin/sh", file}, args...)
}

func TestExecHandsOverJSON(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/none")
	out := filepath.Join(t.TempDir(), "out")
	x := &Exec{Argv: script(t, `cat > "$1"; echo "$#$NOTIFY_SOCKET" >> "$1"`, out, "$(date)"), Booted: noon}
	if err := x.Send(t.Context(), samples()[2:]); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	line, rest, _ := strings.Cut(string(got), "\n")
	var j struct{ Event, Rule string }
	if err := json.Unmarshal([]byte(line), &j); err != nil || j.Event != "alert" || j.Rule != "SomeRule" {
		t.Errorf("stdin was %s: %v", line, err)
	}
	if rest != "2\n" {
		t.Errorf("the hook saw %q, want two arguments and no NOTIFY_SOCKET", rest)
	}
}

func TestExecFailureIsTold(t *testing.T) {
	x := &Exec{Argv: script(t, `printf 'no \033[2J luck'; exit 3`)}
	err := x.Send(t.Context(), samples()[:1])
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
	checkHarmless(t, err.Error())
	missing := &Exec{Argv: []string{"/nonexistent/hook"}}
	if err := missing.Send(t.Context(), samples()[:1]); err == nil {
		t.Error("a hook that is not there does not fail")
	}
}

func TestExecFloodIsTaken(t *testing.T) {
	x := &Exec{Argv: script(t, `head -c 3000000 /dev/zero; exit 1`)}
	if err := x.Send(t.Context(), samples()[:1]); err == nil || len(err.Error()) > 4*hookOutput+200 {
		t.Errorf("got %v", err)
	}
}

// A hook that hangs is killed with its children, and the next alert has its turn.
func TestExecHangIsKilled(t *testing.T) {
	dir := t.TempDir()
	x := &Exec{Argv: script(t, `read line
case "$line" in
*hang*) sleep 600 & echo $! > "$1/pid"; wait ;;
*) touch "$1/next" ;;
esac`, dir)}
	q := NewQueue(x, Options{Timeout: 3 * time.Second, Batch: 1})
	q.Notify([]alert.Alert{{Rule: "hang", StartsAt: noon}, {Rule: "other", StartsAt: noon}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "next")); err != nil {
		t.Error(err)
	}
	if got := q.Counts(); got.Failed != 1 || got.Sent != 1 || got.Retries != 0 {
		t.Errorf("counts %+v", got)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	proc := "/proc/" + strings.TrimSpace(string(pid)) + "/stat"
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(proc)
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the hook's child lives on: %s", stat)
		}
	}
}
