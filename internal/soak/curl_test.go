package soak

import "fmt"

// curl makes connections one after the other, and closes each.
func curl(r *room, n int) {
	r.run(nil, "curl", "-sf", "-H", "Connection: close", fmt.Sprintf("http://%s:%d/?[1-%d]", host, nginxPort, n))
}
