package tunpeer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// shortPatience is for steps that fail only when nothing comes.
const shortPatience = 50 * time.Millisecond

const handshake = "kernel listen\nsyn\nexpect synack\nack\nkernel accept\n"

// TestRunFails: what the kernel does not do is told with the place in the script
// and the segments.
func TestRunFails(t *testing.T) {
	kerneltest.LeakCheck(t)
	p := New(t, kerneltest.NewNetns(t))
	for _, c := range []struct {
		script string
		quick  bool // it fails at once, with the ordinary patience
		want   []string
	}{
		{"syn\nexpect synack", true, []string{"2: expect synack: got [R.], want synack: Flags [R.], seq 0, ack 1", "> kernel: Flags [S], seq 0"}},
		{"kernel listen\nsyn\nexpect synack ack=+1", true, []string{"3: ", "ack +0, want +1", "kernel > peer: Flags [S.], seq "}},
		{"kernel listen\nsyn\nexpect synack again", true, []string{"3: ", "a retransmission: got false, want true"}},
		{"kernel listen\nsyn\nexpect synack mss=5", true, []string{"3: ", "mss 1460, want 5"}},
		{"kernel listen\nsyn\nexpect synack win=5", true, []string{"3: ", "want 5"}},
		{"kernel listen\nsyn\nsilence 10s", true, []string{"3: silence 10s: got Flags [S.]"}},
		{handshake + `kernel write "x"` + "\nexpect data \"y\"", true, []string{"7: ", `payload "x", want "y"`}},
		{handshake + `kernel write "x"` + "\nexpect data len=2", true, []string{"7: ", "len 1, want 2"}},
		{handshake + `kernel write "x"` + "\nexpect ack", true, []string{"7: ", "payload of 1 bytes, want ack"}},
		{handshake + "kernel close\nexpect fin seq=+1", true, []string{"7: ", "seq +0, want +1"}},
		{handshake + "fin\nexpect ack ack=7", false, []string{"7: ", "no segment within 50ms, after passing over 1"}},
		{handshake + "expect ack", false, []string{"6: expect ack: no segment within 50ms, after passing over 0"}},
		{handshake + "state CLOSE", false, []string{"6: ", "got ESTABLISHED, want CLOSE"}},
		{handshake + "state LISTEN\nkernel unlisten\nstate LISTEN", false, []string{"8: ", "got CLOSE, want LISTEN"}},
		{handshake + `send "xyz"` + "\n" + `kernel read "abc"`, true, []string{"7: ", `got "xyz", want "abc"`}},
		{handshake + `send "x"` + "\nkernel read eof", true, []string{"7: ", `got "x", want ""`}},
		{handshake + `kernel read "abc"`, false, []string{"6: ", "resource temporarily unavailable"}},
		{handshake + "kernel error EPIPE", false, []string{"6: ", "want broken pipe"}},
		{handshake + "kernel read EPIPE", false, []string{"6: ", "want broken pipe"}},
		{"kernel accept", false, []string{"1: ", "bad file descriptor", "no segments"}},
		{"kernel listen\nkernel accept", false, []string{"2: ", "resource temporarily unavailable"}},
		{"kernel close\nkernel sysctl net.none 1", true, []string{"2: ", "no such file"}},
		{"icmp unreachable port", true, []string{"1: ", "no segment to quote"}},
	} {
		script, err := Parse("name.script", c.script)
		if err != nil {
			t.Fatal(err)
		}
		conn := p.Conn(kerneltest.IPv4)
		if !c.quick {
			conn.endpoint.patience = shortPatience
		}
		began := time.Now()
		err = conn.Run(script)
		if err == nil {
			t.Errorf("%s: no error", c.script)
			continue
		}
		for _, want := range append(c.want, "name.script:") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s\ngot %v\nwant %s", c.script, err, want)
			}
		}
		if c.quick && time.Since(began) > patience/2 {
			t.Errorf("%s: took %v", c.script, time.Since(began))
		}
	}
}

// TestComparePaths: a transition too many, too few, or of another socket.
func TestComparePaths(t *testing.T) {
	kerneltest.LeakCheck(t)
	w := NewWitness(t)
	p := New(t, kerneltest.NewNetns(t))
	script, err := Parse("x", handshake)
	if err != nil {
		t.Fatal(err)
	}
	first, second := p.Conn(kerneltest.IPv4), p.Conn(kerneltest.IPv4)
	for _, c := range []*Conn{first, second} {
		if err := c.Run(script); err != nil {
			t.Fatal(err)
		}
	}
	const listener, child = "CLOSE>LISTEN", "LISTEN>SYN_RECV>ESTABLISHED"
	right := []string{listener, child}
	err = awaitNoError(patience, func() error { return second.comparePaths(w.Events(), right) })
	if err != nil {
		t.Fatal(err)
	}
	if err := first.comparePaths(w.Events(), right); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][]string{nil, {listener}, {child, listener}, {listener, child, child}, {listener, child + ">CLOSE"}} {
		if err := first.comparePaths(w.Events(), wrong); err == nil {
			t.Errorf("no error for %v", wrong)
		}
	}
	related := slices.DeleteFunc(w.Events(), first.unrelated)
	if len(related) != 3 {
		t.Errorf("%d events of one connection, want 3: %+v", len(related), related)
	}
}

// TestNextTellsOfALoss: what the log forgot before it was looked at is no
// silence.
func TestNextTellsOfALoss(t *testing.T) {
	c := &Conn{peer: &Peer{log: newLog()}}
	for range maxLog + 3 {
		c.peer.log.add(Entry{})
	}
	if _, err := c.next(time.Now()); err == nil || !strings.Contains(err.Error(), "lost 3 segments") {
		t.Errorf("got %v, want a loss of 3", err)
	}
}
