package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ends is a connection of this process with itself.
type ends struct{ client, server *net.TCPConn }

// close closes both ends, the client first, if they are open.
func (e *ends) close() {
	for _, c := range []*net.TCPConn{e.client, e.server} {
		if c != nil {
			_ = c.Close() // most scenarios have closed it
		}
	}
}

// limit bounds all reading and writing that follows; the waits that a scenario
// makes on purpose come before it is called again.
func (e *ends) limit() error {
	until := time.Now().Add(patience)
	return errors.Join(e.client.SetDeadline(until), e.server.SetDeadline(until))
}

// readEnd reads what is left, and returns an error unless the stream ends in
// order.
func readEnd(c *net.TCPConn) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return fmt.Errorf("read to the end: %w", err)
	}
	return nil
}

// send writes a line from one end and reads all of it at the other.
func send(from, to *net.TCPConn, line string) error {
	if _, err := io.WriteString(from, line); err != nil {
		return err
	}
	_, err := io.ReadFull(to, make([]byte, len(line)))
	return err
}
