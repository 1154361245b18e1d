package soak

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

const postgresPort = 5432

// postgres runs as nobody: as root it refuses to.
func postgres(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: kerneltest.Nobody, Gid: kerneltest.Nobody}}
	return cmd
}

// postgresProgram returns a program of PostgreSQL's newest version here.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is well formed
	if len(found) == 0 {
		return name
	}
	return found[len(found)-1]
}

func startPostgres(r *room) *program {
	r.t.Helper()
	data := filepath.Join(r.dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chown(data, kerneltest.Nobody, kerneltest.Nobody); err != nil {
		r.t.Fatal(err)
	}
	if out, err := postgres(postgresProgram("initdb"), "-D", data, "-U", "soak", "-A", "trust", "--no-sync", "--no-locale").CombinedOutput(); err != nil {
		r.t.Fatalf("initdb: %v: %s", err, out)
	}
	r.write("select.sql", "select 1;\n")
	return r.start(syscall.SIGINT, postgres(postgresProgram("postgres"), "-D", data, "-h", host, "-p", strconv.Itoa(postgresPort), "-k", "",
		"-c", "fsync=off", "-c", "autovacuum=off", "-c", "shared_buffers=16MB")).await(postgresPort)
}

// pgbenchArgs are those of a benchmark with so many transactions of each of four clients.
func pgbenchArgs(r *room, each int, more ...string) []string {
	return append([]string{"-n", "-h", host, "-p", strconv.Itoa(postgresPort), "-U", "soak", "-c", "4",
		"-f", filepath.Join(r.dir, "select.sql"), "-t", strconv.Itoa(each)}, append(more, "postgres")...)
}

// pgbench connects anew for each transaction.
func pgbench(r *room, n int) {
	r.run(nil, postgresProgram("pgbench"), pgbenchArgs(r, max(n/4, 1), "-C")...)
}

// needPostgres skips the test unless PostgreSQL is installed.
func needPostgres(t *testing.T) {
	t.Helper()
	for _, name := range []string{"initdb", "postgres", "pgbench", "psql"} {
		kerneltest.NeedPackage(t, postgresProgram(name), "postgresql")
	}
}
