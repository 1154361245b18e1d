package soak

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Ports of nginx: for clients, and for HAProxy.
const (
	nginxPort   = 8080
	backendPort = 8082
)

const nginxConfig = `
daemon off;
user root;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 50;
	reset_timedout_connection on;
	server {
		listen %[2]s:%[4]d backlog=4096;
		listen [%[3]s]:%[4]d backlog=4096;
		listen %[2]s:%[5]d backlog=4096;
		root %[1]s;
		location / { return 200 "hello\n"; }
		location = /big { }
		location = /abort { return 444; }
		location = /early { lingering_close off; client_max_body_size 1k; return 413; }
	}
}
`

// startNginx starts nginx: / answers, /big is long, /abort is closed with
// SO_LINGER 0, and /early with the request unread.
func startNginx(r *room) *program {
	r.write("big", strings.Repeat("tcpwatch\n", 1<<20))
	config := r.write("nginx.conf", fmt.Sprintf(nginxConfig, r.dir, host, host6, nginxPort, backendPort))
	return r.start(syscall.SIGTERM, exec.Command("nginx", "-c", config, "-p", r.dir, "-e", filepath.Join(r.dir, "error.log"))).await(nginxPort)
}

// ab makes connections with one request each, which the server closes.
func ab(r *room, address string, n int) {
	r.run(nil, "ab", "-q", "-r", "-n", strconv.Itoa(n), "-c", strconv.Itoa(min(n, 30)), "http://"+address+"/")
}

func abNginx(r *room, n int)  { ab(r, fmt.Sprintf("%s:%d", host, nginxPort), n) }
func abNginx6(r *room, n int) { ab(r, fmt.Sprintf("[%s]:%d", host6, nginxPort), n) }

// abKeepAlive makes a fiftieth as many connections as requests.
func abKeepAlive(r *room, n int) {
	r.run(nil, "ab", "-q", "-r", "-k", "-n", strconv.Itoa(50*n), "-c", strconv.Itoa(min(n, 30)), fmt.Sprintf("http://%s:%d/", host, nginxPort))
}

// wrkNginx makes connections for as many seconds as it takes.
func wrkNginx(r *room, n int) {
	for target := r.opened() + n; r.opened() < target; {
		r.run(nil, "wrk", "-t1", "-c20", "-d1s", "-H", "Connection: close", fmt.Sprintf("http://%s:%d/", host, nginxPort))
	}
}
