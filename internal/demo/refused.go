package demo

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// refused: a connection to a port that is bound, so that nobody else can take
// it, and on which nobody listens.
func refused(_ context.Context, s *stage) error {
	server, to, err := boundSocket(s.loopback)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(server) }()
	client, from, err := boundSocket(s.loopback)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(client) }()
	s.log(from, to)
	if err := unix.Connect(client, sockaddr(to)); !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("connect to %v: expected a refusal, got %v", to, err)
	}
	return nil
}
