package vmrun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// What the guest says goes over the second serial line in frames: the first
// belongs to the kernel, whose messages may come at any time. A frame is a
// magic byte, its kind, the length, the payload.
const (
	frameMagic = 0xA5
	frameSize  = 6 // of the header
	maxFrame   = 64 << 10
)

type frameKind byte

const (
	frameStarted frameKind = 's' // the program is about to start: all mounted, all modules loaded; uname -r
	frameStdout  frameKind = 'o'
	frameStderr  frameKind = 'e'
	frameFiles   frameKind = 'f' // a piece of the tar of outDir
	frameExit    frameKind = 'x' // the exit code, 4 bytes: the last frame
	frameFailed  frameKind = 'F' // what kept /init from running the program
)

// frameWriter writes frames, from any goroutine.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) send(kind frameKind, payload []byte) error {
	for {
		n := min(len(payload), maxFrame)
		if err := f.one(kind, payload[:n]); err != nil {
			return err
		}
		if payload = payload[n:]; len(payload) == 0 {
			return nil
		}
	}
}

func (f *frameWriter) one(kind frameKind, payload []byte) error {
	b := make([]byte, frameSize, frameSize+len(payload))
	b[0], b[1] = frameMagic, byte(kind)
	binary.BigEndian.PutUint32(b[2:], uint32(len(payload)))
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.w.Write(append(b, payload...))
	return err
}

// stream is an io.Writer of one kind of frame.
type stream struct {
	f    *frameWriter
	kind frameKind
}

// Write implements io.Writer.
func (s stream) Write(p []byte) (int, error) { return len(p), s.f.send(s.kind, p) }

// readFrame returns the next frame, or io.EOF if there is none and nothing of
// one either.
func readFrame(r io.Reader) (frameKind, []byte, error) {
	var header [frameSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	if header[0] != frameMagic {
		return 0, nil, fmt.Errorf("guest sent %q where a frame should begin", header)
	}
	n := binary.BigEndian.Uint32(header[2:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("guest sent a frame of %d bytes", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return frameKind(header[1]), payload, nil
}
