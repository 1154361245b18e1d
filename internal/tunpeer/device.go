package tunpeer

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// deviceName is what the interface is called in the namespace.
const deviceName = "tun0"

// openDevice makes a TUN interface in the calling thread's network namespace.
// It lives until the file is closed, which also ends a Read.
func openDevice() (*os.File, error) {
	fd, err := unix.Open(kerneltest.TunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", kerneltest.TunDevice, err)
	}
	if err := attach(fd); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), kerneltest.TunDevice), nil // only now: the poller refuses one that is not attached
}

// attach makes the interface: packets without a header of the device's own.
func attach(fd int) error {
	request, err := unix.NewIfreq(deviceName)
	if err != nil {
		return fmt.Errorf("name interface %s: %w", deviceName, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("make interface %s: %w", deviceName, err)
	}
	return nil
}
