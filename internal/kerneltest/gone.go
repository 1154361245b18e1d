package kerneltest

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// gone reports whether pid is the number of a process which no longer exists.
func gone(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && errors.Is(unix.Kill(n, 0), unix.ESRCH)
}
