package demo

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// simultaneousOpen: a socket that connects to its own address meets its own
// SYN, as if two hosts had called each other at once. Its FIN comes back to it
// too, so it always passes through CLOSING.
func simultaneousOpen(ctx context.Context, s *stage) error {
	fd, self, err := boundSocket(s.loopback)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	s.log(self, self)
	if err := unix.Connect(fd, sockaddr(self)); err != nil {
		return fmt.Errorf("connect to itself: %w", err)
	}
	if err := sleep(ctx, s.options.Pause); err != nil {
		return err
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}
