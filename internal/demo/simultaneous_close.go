package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// simultaneousClose: both ends send their FIN before they hear of the other's.
//
// On loopback a FIN arrives in the moment it is sent, so it takes a trick. Each
// end first writes until the other's receive window is closed and data is left
// over; the FIN of shutdown() then waits behind that data, and both ends are in
// FIN_WAIT1 for as long as nobody reads. Then one end, the server, begins a read
// so large that the kernel holds its socket for about 1 ms, during which what
// arrives for it is put aside; and within that time the client reads a little.
// Each read ends with a window update, the client's being put aside first. So
// the client gets the server's update, and sends the rest and its FIN, which are
// put aside; the server, letting go of its socket, meets the client's update
// first and sends the rest and its FIN too, and only then meets the client's
// FIN. Both go to CLOSING.
//
// That needs two processors, and worked for 156 of 200 connections on two busy
// ones, with Linux 6.18. Where the reads do not overlap, one end still hears of
// the other's FIN before it could send its own and passes through CLOSING, as
// one did in every case.
func simultaneousClose(ctx context.Context, s *stage) error {
	l, err := listen(ctx, s.loopback, buffers(bigBuffer))
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	e, err := s.connectTo(ctx, l, buffers(smallBuffer))
	if err != nil {
		return err
	}
	defer e.close()
	if err := s.closeBoth(ctx, e); err != nil {
		return err
	}
	if err := sleep(ctx, s.options.Pause); err != nil { // both in FIN_WAIT1
		return err
	}
	if err := e.limit(); err != nil {
		return err
	}
	if err := readBoth(e); err != nil {
		return err
	}
	return errors.Join(readEnd(e.server), readEnd(e.client))
}

// Sizes in bytes. The server's receive buffer is big, or as big as the kernel
// allows, since its read has to last; the client's is small, since its read has
// not to, but takes what the server has left over: a chunk.
const (
	bigBuffer   = 4 << 20
	smallBuffer = 64 << 10
	sendBuffer  = 256 << 10
	chunk       = 16 << 10
)

// control sets options on a socket before it is bound.
type control = func(network, address string, c syscall.RawConn) error

// buffers fixes the buffers of a socket, and chooses a congestion control that
// does not pace: data should wait for the window alone.
func buffers(receive int) control {
	return func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receive),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer),
				unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno"),
			)
		})
		return errors.Join(e, err)
	}
}

// closeBoth shuts both halves down with FINs that cannot be sent yet.
func (s *stage) closeBoth(ctx context.Context, e *ends) error {
	if err := fill(ctx, e.client, e.server); err != nil {
		return err
	}
	if err := fill(ctx, e.server, e.client); err != nil {
		return err
	}
	return errors.Join(e.client.CloseWrite(), e.server.CloseWrite())
}

// fill writes from one end until the window of the other is closed, everything
// sent has been acknowledged and no more than one chunk is left over.
func fill(ctx context.Context, from, to *net.TCPConn) error {
	data := make([]byte, chunk)
	const most = 4 * bigBuffer / chunk
	for range most {
		if _, err := from.Write(data); err != nil {
			return err
		}
		stuck, err := settle(ctx, from, to)
		if stuck || err != nil {
			return err
		}
	}
	return fmt.Errorf("the window is still open after %d bytes", most*chunk)
}

// settle waits until everything is sent, or until something cannot be: nothing
// is under way any more, and that is left over.
func settle(ctx context.Context, from, to *net.TCPConn) (stuck bool, err error) {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if err := acknowledgeNow(to); err != nil {
			return false, err
		}
		all, unsent, err := queued(from)
		if err != nil || unsent == 0 {
			return false, err
		}
		if unsent == all {
			return true, nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("data sent was not acknowledged in %v", patience)
}

// acknowledgeNow makes c send the acknowledgement that it may be putting off,
// which the other end would answer by sending again.
func acknowledgeNow(c *net.TCPConn) (err error) {
	e := withFD(c, func(fd int) { err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	return errors.Join(e, err)
}

// queued returns how many bytes of what was written to c are not acknowledged,
// and how many of them were not sent.
func queued(c *net.TCPConn) (all, unsent int, err error) {
	e := withFD(c, func(fd int) {
		if all, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
			unsent, err = unix.IoctlGetInt(fd, unix.SIOCOUTQNSD)
		}
	})
	return all, unsent, errors.Join(e, err)
}

// headStart is how long the server's read runs before the client's begins: long
// enough to have the socket, short enough not to be over.
const headStart = 20 * time.Microsecond

// readBoth reads what both ends have received, the client while the server
// does.
func readBoth(e *ends) error {
	var waiting, begun atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- readExactly(e.server, func() {
			spinUntil(&waiting)
			begun.Store(true)
		})
	}()
	err := readExactly(e.client, func() {
		waiting.Store(true)
		spinUntil(&begun)
		spinFor(headStart)
	})
	return errors.Join(err, <-done)
}

// spinUntil waits for flag without giving the processor away, as there is no
// time to get it back; for a moment at most, in case there is but one.
func spinUntil(flag *atomic.Bool) {
	for until := time.Now().Add(100 * time.Millisecond); !flag.Load() && time.Now().Before(until); {
	}
}

// spinFor waits likewise for d.
func spinFor(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
	}
}

// readExactly calls ready and then reads the bytes that c has received, asking
// for no more: a read that wants more looks at what was put aside before it
// sends the window update.
func readExactly(c *net.TCPConn, ready func()) (err error) {
	e := withFD(c, func(fd int) {
		var n int
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		buf := make([]byte, n)
		ready()
		if err == nil {
			_, err = unix.Read(fd, buf)
		}
	})
	return errors.Join(e, err)
}

// withFD calls f with the descriptor of c.
func withFD(c *net.TCPConn, f func(fd int)) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}
