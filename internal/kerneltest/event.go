package kerneltest

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The tracepoints that a Witness can record. SetState it always does.
const (
	SetState         = "sock/inet_sock_set_state"
	DestroySock      = "tcp/tcp_destroy_sock"
	SendReset        = "tcp/tcp_send_reset"
	ReceiveReset     = "tcp/tcp_receive_reset"
	RetransmitSkb    = "tcp/tcp_retransmit_skb"
	RetransmitSynack = "tcp/tcp_retransmit_synack"
	TimerExpire      = "timer/timer_expire_entry"
)

// Event is one record of a tracepoint. A value that the tracepoint does not
// have, on this kernel, is zero.
type Event struct {
	Time         time.Duration // since boot, as CLOCK_BOOTTIME
	Name         string        // SetState, …
	SkAddr       uint64        // the socket's address in the kernel
	Cookie       uint64        // DestroySock, ReceiveReset
	CPU          int
	PID          int // the thread that was running, which need not have had to do with it
	Family       int // AF_INET, AF_INET6
	Protocol     int // SetState: IPPROTO_TCP, always
	Sport, Dport uint16
	Saddr, Daddr netip.Addr
	Old, New     string // SetState: the kernel's names without TCP_
	State        string // SendReset, RetransmitSkb: likewise
}

// states are the kernel's names of the states, as the tracepoint prints them
// without TCP_.
var states = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV",
}

// StateName returns the name of a state by the kernel's number, from 1 to 12;
// nothing for 0, and the number itself for another.
func StateName(n uint64) string {
	if n == 0 {
		return ""
	}
	if n < uint64(len(states)) {
		return states[n]
	}
	return strconv.FormatUint(n, 10)
}

// reader takes values out of one record.
type reader struct {
	format *format
	record []byte
}

// bytes returns the bytes of a field, nil where the record has none.
func (r reader) bytes(name string) []byte {
	f := r.format.fields[name]
	if f.offset+f.size > len(r.record) || f.size == 0 {
		return nil
	}
	return r.record[f.offset : f.offset+f.size]
}

// uint returns an integer field of 1, 2, 4 or 8 bytes, else 0.
func (r reader) uint(name string) uint64 {
	switch b := r.bytes(name); len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}

// event decodes the record.
func (r reader) event() Event {
	e := Event{
		SkAddr:   r.uint("skaddr"),
		Cookie:   r.uint("sock_cookie"),
		PID:      int(int32(r.uint("common_pid"))),
		Family:   int(r.uint("family")),
		Protocol: int(r.uint("protocol")),
		Sport:    uint16(r.uint("sport")),
		Dport:    uint16(r.uint("dport")),
		Old:      StateName(r.uint("oldstate")),
		New:      StateName(r.uint("newstate")),
		State:    StateName(r.uint("state")),
	}
	if from, to := r.bytes("saddr"), r.bytes("daddr"); len(from) == unix.SizeofSockaddrInet6 {
		e.Family = int(binary.NativeEndian.Uint16(from)) // SendReset since Linux 6.10
		e.Saddr, e.Sport = socketAddress(from)
		e.Daddr, e.Dport = socketAddress(to)
		return e
	}
	e.Saddr, e.Daddr = r.addr("saddr_v6", e.Family), r.addr("daddr_v6", e.Family)
	return e
}

// addr returns an address from a field of 16 bytes, in which the kernel maps
// IPv4 addresses into IPv6. The fields of 4 bytes are not set for IPv6 sockets.
func (r reader) addr(name string, family int) netip.Addr {
	b := r.bytes(name)
	if len(b) != 16 {
		return netip.Addr{}
	}
	a := netip.AddrFrom16([16]byte(b))
	if family == unix.AF_INET6 {
		return a
	}
	return a.Unmap()
}

// socketAddress decodes a struct sockaddr_in or sockaddr_in6 of 28 bytes.
func socketAddress(b []byte) (netip.Addr, uint16) {
	if len(b) != unix.SizeofSockaddrInet6 {
		return netip.Addr{}, 0
	}
	port := binary.BigEndian.Uint16(b[2:])
	if binary.NativeEndian.Uint16(b) == unix.AF_INET6 {
		return netip.AddrFrom16([16]byte(b[8:24])), port
	}
	return netip.AddrFrom4([4]byte(b[4:8])), port
}
