package demo

import "context"

// keepOpen leaves an established connection behind until the end.
func keepOpen(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	s.held.add(e)
	return send(e.client, e.server, "hello\n")
}

// leakedCloseWait leaves a socket behind that a server forgot to close. After a
// minute the kernel forgets the client's end (FIN_WAIT2), and the server's FIN
// at the end is answered with an RST.
func leakedCloseWait(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	s.held.add(e)
	if err := send(e.client, e.server, "hello\n"); err != nil {
		return err
	}
	if err := e.client.Close(); err != nil {
		return err
	}
	return readEnd(e.server) // and nothing more
}
