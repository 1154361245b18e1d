package soak

import (
	"os/exec"
	"strconv"
	"syscall"
)

const redisPort = 6379

func startRedis(r *room) *program {
	return r.start(syscall.SIGTERM, exec.Command("redis-server", "--bind", host, "--port", strconv.Itoa(redisPort),
		"--save", "", "--appendonly", "no", "--dir", r.dir)).await(redisPort)
}

func redisBenchmark(r *room, n int) {
	r.run(nil, "redis-benchmark", "-h", host, "-p", strconv.Itoa(redisPort), "-q", "-k", "0", "-c", "20", "-n", strconv.Itoa(n), "-t", "ping_mbulk")
}

// redisPipelined makes few connections, with many requests at once on each.
func redisPipelined(r *room, _ int) {
	r.run(nil, "redis-benchmark", "-h", host, "-p", strconv.Itoa(redisPort), "-q", "-P", "16", "-c", "20", "-n", "50000", "-t", "set,get")
}
