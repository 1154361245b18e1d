package demo

import (
	"context"
	"net"
)

// clientCloses: the client closes, the server follows a pause later.
func clientCloses(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	return s.closeOrderly(ctx, e, e.client, e.server)
}

// serverCloses: the other way round.
func serverCloses(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	return s.closeOrderly(ctx, e, e.server, e.client)
}

// closeOrderly ends a connection: first sends its FIN, second reads the end of
// the stream and closes a pause later, which first waits for.
func (s *stage) closeOrderly(ctx context.Context, e *ends, first, second *net.TCPConn) error {
	if err := send(e.client, e.server, "good bye\n"); err != nil {
		return err
	}
	if err := first.CloseWrite(); err != nil {
		return err
	}
	if err := readEnd(second); err != nil {
		return err
	}
	if err := sleep(ctx, s.options.Pause); err != nil {
		return err
	}
	return finish(e, first, second)
}

// finish closes second, whose peer first has ended its half already, and first
// when it has read the end.
func finish(e *ends, first, second *net.TCPConn) error {
	if err := e.limit(); err != nil {
		return err
	}
	if err := second.Close(); err != nil {
		return err
	}
	if err := readEnd(first); err != nil {
		return err
	}
	return first.Close()
}

// halfClose: the client ends its half and goes on reading, the server goes on
// writing: legal, and what a CLOSE_WAIT that is nobody's mistake looks like.
func halfClose(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.client.CloseWrite(); err != nil {
		return err
	}
	if err := readEnd(e.server); err != nil {
		return err
	}
	const answers = 3
	for range answers {
		if err := sleep(ctx, s.options.HalfClose/answers); err != nil {
			return err
		}
		if err := e.limit(); err != nil {
			return err
		}
		if err := send(e.server, e.client, "still here\n"); err != nil {
			return err
		}
	}
	return finish(e, e.client, e.server)
}
