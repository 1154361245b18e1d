package mill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// keeper is the mill's end of a process that is handed sockets and keeps them.
type keeper struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	conn int // a Unix socket
}

// A message to the keeper with a socket is answered with the socket's
// descriptor there; one without names such a descriptor to be closed, and is
// answered with the same.
const messageSize = 4

// startKeeper starts the keeper in the second namespace, where no other process
// may live, and by which that is found.
func startKeeper() (*keeper, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	k := &keeper{cmd: exec.Command(os.Args[0]), conn: ends[0]}
	theirs := os.NewFile(uintptr(ends[1]), "keeper")
	defer theirs.Close()
	k.cmd.Env = append(os.Environ(), roleVariable+"=keeper")
	k.cmd.Stderr = os.Stderr
	k.cmd.ExtraFiles = []*os.File{theirs}
	started := make(chan error)
	go onThread(func() {
		started <- inRoom(1, k.cmd.Start)
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	return k, nil
}

func (k *keeper) pid() int { return k.cmd.Process.Pid }

// take hands the keeper a socket and returns its descriptor there.
func (k *keeper) take(fd int) (theirs int, err error) {
	return k.ask(make([]byte, messageSize), unix.UnixRights(fd))
}

// drop makes the keeper close a descriptor.
func (k *keeper) drop(theirs int) error {
	_, err := k.ask(binary.NativeEndian.AppendUint32(nil, uint32(theirs)), nil)
	return err
}

func (k *keeper) ask(message, rights []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := retry(func() (int, error) { return unix.SendmsgN(k.conn, message, rights, nil, 0) })
	if err != nil {
		return 0, fmt.Errorf("ask keeper: %w", err)
	}
	var answer [messageSize]byte
	n, err := retry(func() (int, error) { return unix.Read(k.conn, answer[:]) })
	if err != nil || n != messageSize {
		return 0, fmt.Errorf("keeper answers %d bytes: %w", n, err)
	}
	return int(binary.NativeEndian.Uint32(answer[:])), nil
}

// end ends the keeper.
func (k *keeper) end() error {
	return errors.Join(unix.Close(k.conn), k.cmd.Wait())
}

// keep is the keeper's process.
func keep() error {
	const conn = 3
	var message [messageSize]byte
	rights := make([]byte, unix.CmsgSpace(4))
	for {
		n, err := 0, error(nil)
		var more int
		_, err = retry(func() (int, error) {
			var err error
			n, more, _, _, err = unix.Recvmsg(conn, message[:], rights, unix.MSG_CMSG_CLOEXEC)
			return n, err
		})
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if n == 0 {
			return nil
		}
		fd, err := received(rights[:more])
		switch {
		case errors.Is(err, io.EOF):
			err = unix.Close(int(binary.NativeEndian.Uint32(message[:])))
		case err == nil:
			binary.NativeEndian.PutUint32(message[:], uint32(fd))
		}
		if err == nil {
			_, err = unix.Write(conn, message[:])
		}
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// received returns the one descriptor that came with a message, or io.EOF.
func received(control []byte) (int, error) {
	if len(control) == 0 {
		return 0, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	return fds[0], nil
}

// child is a process that shares a socket by having been started with it.
type child struct {
	pid   int
	stdin int // it ends with this
}

// inheritedFD is what the socket's descriptor is in the child.
const inheritedFD = 3

// bear starts a child with a socket.
func bear(fd int) (c child, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return c, fmt.Errorf("pipe: %w", err)
	}
	c.stdin = pipe[1]
	c.pid, err = syscall.ForkExec("/bin/cat", []string{"cat"}, &syscall.ProcAttr{
		Files: []uintptr{uintptr(pipe[0]), 2, 2, uintptr(fd)},
	})
	if err = errors.Join(err, unix.Close(pipe[0])); err != nil {
		return c, fmt.Errorf("start child: %w", err)
	}
	return c, nil
}

// end waits until the child has closed everything.
func (c child) end() error {
	if err := unix.Close(c.stdin); err != nil {
		return err
	}
	_, err := retry(func() (int, error) { return unix.Wait4(c.pid, nil, 0, nil) })
	return err
}
