package tunpeer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// closed and listen are two of the kernel's names of states.
const (
	stateClose  = "CLOSE"
	stateListen = "LISTEN"
)

// state returns the state of the kernel's side: the socket's that the script
// holds, else, or if that one is closed, of what the kernel still has of the
// connection: a request socket, an orphan, a TIME_WAIT.
func (k *endpoint) state() (string, error) {
	if k.conn >= 0 {
		name, err := socketState(k.conn)
		if err != nil || name != stateClose {
			return name, err
		}
	}
	return k.tableState()
}

// listenerState returns the state of the listener.
func (k *endpoint) listenerState() (string, error) {
	if k.listener < 0 {
		return stateClose, nil
	}
	return socketState(k.listener)
}

// socketState asks a socket by TCP_INFO.
func socketState(fd int) (string, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return "", fmt.Errorf("getsockopt TCP_INFO: %w", err)
	}
	return kerneltest.StateName(uint64(info.State)), nil
}

// tableState looks the connection up in the namespace's /proc/net/tcp.
func (k *endpoint) tableState() (name string, err error) {
	table := "tcp6"
	if k.at.Addr().Is4() {
		table = "tcp"
	}
	var text []byte
	k.netns.Do(func() { text, err = os.ReadFile(filepath.Join("/proc/thread-self/net", table)) })
	if err != nil {
		return "", err
	}
	return findState(string(text), k.at, k.peer)
}

// findState returns the state in the row of a connection, or CLOSE if there is
// none.
func findState(table string, at, peer netip.AddrPort) (string, error) {
	local, remote := tableAddr(at), tableAddr(peer)
	for line := range strings.Lines(table) {
		row := strings.Fields(line)
		if len(row) < 4 || row[1] != local || row[2] != remote {
			continue
		}
		n, err := strconv.ParseUint(row[3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("parse state: %w", err)
		}
		return kerneltest.StateName(n), nil
	}
	return stateClose, nil
}

// tableAddr prints an address as /proc/net/tcp does: words in the machine's
// order (get_tcp4_sock, get_tcp6_sock).
func tableAddr(a netip.AddrPort) string {
	var b strings.Builder
	for word := a.Addr().AsSlice(); len(word) > 0; word = word[4:] {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(word))
	}
	fmt.Fprintf(&b, ":%04X", a.Port())
	return b.String()
}

// awaitState waits until the kernel's side is in a state. LISTEN is the
// listener's.
func (k *endpoint) awaitState(want string) error {
	ask := k.state
	if want == stateListen {
		ask = k.listenerState
	}
	return awaitNoError(k.patience, func() error {
		got, err := ask()
		if err == nil && got != want {
			err = fmt.Errorf("got %s, want %s", got, want)
		}
		return err
	})
}
