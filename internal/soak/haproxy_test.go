package soak

import (
	"fmt"
	"os/exec"
	"syscall"
)

// Ports of HAProxy: in front of nginx, and of a server that is dead.
const (
	haproxyPort = 8090
	deadPort    = 8091
	closedPort  = 1 // nobody listens
)

const haproxyConfig = `
global
	maxconn 1000
	nbthread 1
defaults
	mode http
	option httpclose
	timeout connect 2s
	timeout client 5s
	timeout server 5s
frontend alive
	bind %[1]s:%[2]d
	default_backend nginx
backend nginx
	option httpchk
	server one %[1]s:%[3]d check inter 200ms
frontend dead
	bind %[1]s:%[4]d
	default_backend nobody
backend nobody
	server one %[1]s:%[5]d check inter 200ms
`

func startHAProxy(r *room) *program {
	config := r.write("haproxy.cfg", fmt.Sprintf(haproxyConfig, host, haproxyPort, backendPort, deadPort, closedPort))
	return r.start(syscall.SIGTERM, exec.Command("haproxy", "-db", "-f", config)).await(haproxyPort)
}

// abHAProxy makes half of the connections; HAProxy makes the others.
func abHAProxy(r *room, n int) { ab(r, fmt.Sprintf("%s:%d", host, haproxyPort), n/2) }
