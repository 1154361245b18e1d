package diag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a netlink message.
func message(kind uint16, payload ...byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN)
	binary.NativeEndian.PutUint32(b, uint32(unix.NLMSG_HDRLEN+len(payload)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	b = append(b, payload...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func TestParse(t *testing.T) {
	socket := message(tcpDiag, 1, 2, 3)
	refusal := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.EPERM)+1)
	tests := map[string]struct {
		messages []byte
		done     bool
		err      string
	}{
		"nothing":                 {nil, false, ""},
		"sockets":                 {bytes.Repeat(socket, 3), false, ""},
		"sockets and the end":     {append(bytes.Repeat(socket, 3), message(unix.NLMSG_DONE, 0, 0, 0, 0)...), true, ""},
		"a refusal":               {message(unix.NLMSG_ERROR, refusal...), true, "operation not permitted"},
		"a refusal without cause": {message(unix.NLMSG_ERROR), false, "error message of 16 bytes"},
		"a length of 0":           {make([]byte, 16), false, "message of 0 bytes"},
		"longer than it is":       {socket[:18], false, "message of 19 bytes in 18"},
		"a rest":                  {append(message(tcpDiag), 1, 2, 3), false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sockets := 0
			done, err := parse(test.messages, func([]byte) { sockets++ })
			if done != test.done || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v, %v; want %v, %s", done, err, test.done, test.err)
			}
			if want := strings.Count(string(test.messages), string(socket)); sockets < want {
				t.Errorf("%d sockets, want %d", sockets, want)
			}
		})
	}
	if _, err := parse(tests["a refusal"].messages, nil); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v is not %v", err, unix.EPERM)
	}
}

// The kernel is not trusted to send whole messages either.
func FuzzParse(f *testing.F) {
	f.Add(message(unix.NLMSG_DONE, 0, 0, 0, 0))
	f.Add(append(message(tcpDiag, 9), message(unix.NLMSG_ERROR, 1, 2, 3, 4)...))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parse(b, func(socket []byte) { portOf(socket) }) })
}

// A port that is only bound is found where the kernel shows it, and gone after.
func TestBound(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet6{}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(name.(*unix.SockaddrInet6).Port)
	ports, shown, err := Bound()
	if err != nil || slices.Contains(ports, port) != shown {
		t.Errorf("ports %v, %v, %v; want %d among them", ports, shown, err, port)
	}
	if version := release(t); version >= 6.08 && !shown {
		t.Errorf("Linux %.2f does not show what is only bound", version)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	if ports, _, err := Bound(); err != nil || slices.Contains(ports, port) {
		t.Errorf("ports %v, %v; want %d not among them: somebody listens", ports, err, port)
	}
}

// One dump has the sockets of both families.
func TestDumpHasBothFamilies(t *testing.T) {
	const listening = 1 << 10
	want := map[uint16]bool{}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		switch a := name.(type) {
		case *unix.SockaddrInet4:
			want[uint16(a.Port)] = true
		case *unix.SockaddrInet6:
			want[uint16(a.Port)] = true
		}
	}
	err := Dump(listening, func(socket []byte) {
		port, _ := portOf(socket)
		delete(want, port)
	})
	if err != nil || len(want) > 0 {
		t.Errorf("ports %v are missing, %v", want, err)
	}
}

// release is the kernel's version as a number, 6.12 for 6.12, 6.08 for 6.8.
func release(t *testing.T) float64 {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return float64(major) + float64(minor)/100
}
