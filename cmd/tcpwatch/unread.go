package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// whenUnread calls gone once nobody can read what is written to f any more: the
// other end of the pipe was closed, or the terminal hung up. On a quiet host no
// write would tell for hours. It watches until cancel is called.
func whenUnread(f *os.File, gone func()) (cancel func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return func() {} // the next write will tell
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if unread(int(f.Fd()), int(r.Fd())) {
			gone()
		}
		_ = r.Close() // opened for reading only
	}()
	return func() {
		_ = w.Close() // wakes the goroutine
		<-done
	}
}

// unread waits until fd has no reader, or until stop has no writer.
func unread(fd, stop int) bool {
	const noReader = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
	fds := []unix.PollFd{{Fd: int32(fd)}, {Fd: int32(stop)}}
	for {
		_, err := unix.Poll(fds, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil || fds[1].Revents != 0 {
			return false
		}
		if fds[0].Revents&noReader != 0 {
			return true
		}
	}
}
