package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
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

func TestEndOfDump(t *testing.T) {
	socket := message(unix.SOCK_DIAG_BY_FAMILY, 1, 2, 3)
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
		"a rest":                  {append(message(unix.SOCK_DIAG_BY_FAMILY), 1, 2, 3), false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			done, err := endOfDump(test.messages)
			if done != test.done || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v, %v; want %v, %s", done, err, test.done, test.err)
			}
		})
	}
	if _, err := endOfDump(tests["a refusal"].messages); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v is not %v", err, unix.EPERM)
	}
}

// The kernel is not trusted to send whole messages either.
func FuzzEndOfDump(f *testing.F) {
	f.Add(message(unix.NLMSG_DONE, 0, 0, 0, 0))
	f.Add(append(message(unix.SOCK_DIAG_BY_FAMILY, 9), message(unix.NLMSG_ERROR, 1, 2, 3, 4)...))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = endOfDump(b) })
}
