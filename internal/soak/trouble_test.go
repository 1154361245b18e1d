package soak

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// A moment is long enough for programs to be amid their connections.
const moment = 200 * time.Millisecond

// troubles are what makes abnormal ends of the programs' connections.
var troubles = []struct {
	name string
	make func(*room)
}{
	{"curl to a closed port", func(r *room) {
		r.run([]int{7}, "curl", "-s", fmt.Sprintf("http://%s:%d/?[1-50]", host, closedPort))
	}},
	{"curl to a closed port over IPv6", func(r *room) {
		r.run([]int{7}, "curl", "-s", "-g", fmt.Sprintf("http://[%s]:%d/", host6, closedPort))
	}},
	{"ab killed over IPv6", func(r *room) {
		killAmid(r, exec.Command("ab", "-q", "-n", "1000000", "-c", "30", fmt.Sprintf("http://[%s]:%d/", host6, nginxPort)))
	}},
	{"curl to HAProxy with a dead server", func(r *room) {
		r.run(nil, "curl", "-s", fmt.Sprintf("http://%s:%d/?[1-20]", host, deadPort))
	}},
	{"nginx closes with SO_LINGER 0", func(r *room) {
		r.run([]int{52, 56}, "curl", "-s", fmt.Sprintf("http://%s:%d/abort?[1-50]", host, nginxPort))
	}},
	{"nginx closes with the request unread", func(r *room) {
		for range 20 {
			r.run([]int{55, 56}, "curl", "-s", "-H", "Expect:", "--data-binary", "@"+r.dir+"/big", fmt.Sprintf("http://%s:%d/early", host, nginxPort))
		}
	}},
	{"curl killed with the answer unread", func(r *room) { killAll(slowly(r, nginxPort)) }},
	{"curl killed in front of HAProxy", func(r *room) { killAll(slowly(r, haproxyPort)) }},
	{"nginx and curl: ss -K", killSockets},
	{"ab killed", func(r *room) {
		killAmid(r, exec.Command("ab", "-q", "-n", "1000000", "-c", "30", fmt.Sprintf("http://%s:%d/", host, nginxPort)))
	}},
	{"ab killed in front of HAProxy", func(r *room) {
		killAmid(r, exec.Command("ab", "-q", "-n", "1000000", "-c", "30", fmt.Sprintf("http://%s:%d/", host, haproxyPort)))
	}},
	{"redis: CLIENT KILL", killRedisClients},
	{"redis-benchmark killed", func(r *room) {
		killAmid(r, exec.Command("redis-benchmark", "-h", host, "-p", strconv.Itoa(redisPort), "-q", "-P", "16", "-c", "20", "-n", "100000000", "-t", "get"))
	}},
	{"pgbench killed", func(r *room) {
		killAmid(r, exec.Command(postgresProgram("pgbench"), pgbenchArgs(r, 1000000)...))
	}},
	{"PostgreSQL: pg_terminate_backend", terminateBackends},
	{"net/http: fetch killed", func(r *room) { killAmid(r, helper("fetch", "tcp", "1000000")) }},
	{"net/http: fetch over MPTCP killed", func(r *room) { killAmid(r, helper("fetch", "mptcp", "1000000")) }},
}

// killAmid starts a program and kills it amid its connections.
func killAmid(r *room, cmd *exec.Cmd) {
	p := r.start(syscall.SIGKILL, cmd)
	time.Sleep(moment)
	p.kill()
}

// slowly starts some curls that read a long answer slowly.
func slowly(r *room, port int) (all []*program) {
	for range 10 {
		all = append(all, r.start(syscall.SIGKILL, exec.Command("curl", "-s", "-o", "/dev/null", "--limit-rate", "1k", fmt.Sprintf("http://%s:%d/big", host, port))))
	}
	time.Sleep(moment)
	return all
}

func killAll(all []*program) {
	for _, p := range all {
		p.kill()
	}
}

func killSockets(r *room) {
	curls := slowly(r, nginxPort)
	r.run(nil, "ss", "-K", "-t", "state", "established", "dst", host, "dport", "=", strconv.Itoa(nginxPort))
	killAll(curls)
}

func killRedisClients(r *room) {
	p := r.start(syscall.SIGKILL, exec.Command("redis-benchmark", "-h", host, "-p", strconv.Itoa(redisPort), "-q", "-c", "20", "-n", "100000000", "-t", "get"))
	time.Sleep(moment)
	r.run(nil, "redis-cli", "-h", host, "-p", strconv.Itoa(redisPort), "client", "kill", "type", "normal")
	p.kill()
}

func terminateBackends(r *room) {
	p := r.start(syscall.SIGKILL, exec.Command(postgresProgram("pgbench"), pgbenchArgs(r, 1000000)...))
	time.Sleep(moment)
	r.run(nil, postgresProgram("psql"), "-h", host, "-p", strconv.Itoa(postgresPort), "-U", "soak", "-c",
		"select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgbench'", "postgres")
	p.kill()
}
