package probe

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/tcpwatch/tcpwatch/bpf"
)

// maxStacks is how many different stacks are kept, of 48 frames at most each
// (bpf/stack.h). One whose place is taken by another is not known.
const maxStacks = 8192

// Stack returns the return addresses of a stack, the innermost first, by the number
// that an event has (events.Event.Stack); none if the kernel has forgotten it.
func (p *Probe) Stack(number uint32) ([]uint64, error) {
	raw, err := p.coll.Maps[bpf.TcpwatchMapStacks].LookupBytes(number - 1)
	if err != nil {
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("read stack %d: %w", number, err)
	}
	var frames []uint64
	for ; len(raw) >= 8; raw = raw[8:] {
		address := binary.NativeEndian.Uint64(raw)
		if address == 0 {
			break
		}
		frames = append(frames, address)
	}
	return frames, nil
}
