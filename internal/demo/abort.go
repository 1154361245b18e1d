package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// reset: the client aborts the connection.
func reset(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.client.SetLinger(0); err != nil {
		return err
	}
	if err := e.client.Close(); err != nil {
		return err
	}
	if err := expectReset(e.server); err != nil {
		return err
	}
	return s.dwell(ctx, e.server)
}

// unread: the server closes while data that it has received waits to be read.
func unread(ctx context.Context, s *stage) error {
	e, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if _, err := io.WriteString(e.client, "nobody reads this\n"); err != nil {
		return err
	}
	if _, err := e.server.Read(make([]byte, 1)); err != nil { // the rest of the segment has come too
		return err
	}
	if err := e.server.Close(); err != nil {
		return err
	}
	if err := expectReset(e.client); err != nil {
		return err
	}
	return s.dwell(ctx, e.client)
}

// expectReset reads the error that an RST leaves.
func expectReset(c *net.TCPConn) error {
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("expected a reset, read %v", err)
	}
	return nil
}

// dwell holds on to a socket that the peer has reset, for a pause, and closes
// it.
func (s *stage) dwell(ctx context.Context, c *net.TCPConn) error {
	if err := sleep(ctx, s.options.Pause); err != nil {
		return err
	}
	return c.Close()
}
