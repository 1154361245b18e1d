/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one record that every program of tcpwatch emits: by the ring buffer for
 * what happens, by bpf_seq_write for what is there. No implicit padding; the
 * Go decoder (events/decode.go) is checked against this layout through BTF.
 */
#ifndef TCPWATCH_EVENT_H
#define TCPWATCH_EVENT_H

enum kind {
	KIND_TRANSITION = 1,
	KIND_RETRANSMIT,
	KIND_SYNACK,
	KIND_RESET_SENT,
	KIND_RESET_RECEIVED,
	KIND_DESTROY,
	KIND_INVENTORY,
	KIND_HOLDER,
	KIND_TW_START,
	KIND_TW_CANCEL,
	KIND_TW_EXPIRE,
	KIND_READ,
	KIND_ACCEPT,
	KIND_LIFE, /* the first part of a longer record, struct life */
};

/* Why the timer of a mini-socket was cancelled, by the kernel function that did
 * it; events/timewait.go names them. */
enum tw_cause {
	TW_CAUSE_UNKNOWN,
	TW_CAUSE_RST, /* tcp_timewait_state_process: an RST arrived, tcp_rfc1337 is 0 */
	TW_CAUSE_SYN, /* tcp_v4_rcv, tcp_v6_rcv: a new SYN took the place */
	TW_CAUSE_CONNECT, /* __inet_check_established: connect() took the place */
	TW_CAUSE_ABORT, /* tcp_abort: ss -K, bpf_sock_destroy */
	TW_CAUSE_DATA, /* tcp_v4_rcv, tcp_v6_rcv: answered with an RST */
	TW_CAUSE_NETNS, /* inet_twsk_purge: the network namespace ended */
};

/* Yes-or-no facts; the Go side names them in model/evidence.go. */
enum flag {
	FLAG_OWNED = 1 << 0,
	FLAG_DEAD = 1 << 1,
	FLAG_DONE = 1 << 2,
	FLAG_LINGER0 = 1 << 3,
	FLAG_LINGER2_NEG = 1 << 4,
	FLAG_KEEPOPEN = 1 << 5,
	FLAG_HAS_SOCKET = 1 << 6,
	FLAG_REPAIR = 1 << 7,
	FLAG_MPTCP = 1 << 8,
	FLAG_USER_TIMEOUT = 1 << 9,
	FLAG_KERNEL = 1 << 10,
	FLAG_KTHREAD = 1 << 11,
	FLAG_INHERITED = 1 << 12,
	FLAG_ACTIVE_RESET = 1 << 13,
	FLAG_RESCUED = 1 << 14,
	FLAG_TFO = 1 << 15,
	FLAG_STALE = 1 << 16,
	FLAG_DESCENDANT = 1 << 17,
};

struct event {
	__u64 time; /* ns since boot, CLOCK_BOOTTIME */
	__u64 sk; /* the socket's address: its identity from birth to tcp_destroy_sock;
		   * HOLDER with FLAG_MPTCP: that of a subflow, or of the socket above */
	__u64 cookie; /* what ss -e prints after sk: */
	__u64 netns_cookie; /* 0 where the kernel has none */
	/*
	 * Of a connection. Else, in an INVENTORY:
	 *   LISTEN         acked: SYN queue | its limit << 32
	 *                  received: those of it whose SYN-ACK was sent once, + 1
	 *   NEW_SYN_RECV   acked: ns since its first SYN-ACK, 0 if that is not known
	 */
	__u64 bytes_acked;
	__u64 bytes_received;
	/*
	 * By kind and state:
	 *   TRANSITION     FLAG_INHERITED: when the listener's owner was seen, ns since boot
	 *                  into SYN_SENT: the stack at connect(), as in ACCEPT
	 *   ACCEPT         index of the stack + 1, 0 if it is not known
	 *   RETRANSMIT     sequence number | TCP flags << 32
	 *   SYNACK         snt_isn | rcv_isn << 32
	 *   RESET_SENT     enum sk_rst_reason + 1, 0 where the kernel gives none
	 *   INVENTORY      LISTEN: accept queue | its limit << 32
	 *                  TIME_WAIT: ns until the timer fires
	 *                  NEW_SYN_RECV: the listener's address
	 *                  else, with FLAG_MPTCP: the address of the MPTCP socket above
	 *   HOLDER         file descriptor
	 *   TW_START       ns until the timer fires
	 */
	__u64 extra;
	__u8 saddr[16]; /* IPv4 in the first four bytes */
	__u8 daddr[16];
	__u8 comm[16]; /* of pid */
	__u32 netns; /* inode number, as lsns prints it */
	__u32 pid; /* FLAG_OWNED: who acts; FLAG_INHERITED: the listener's owner; HOLDER: who holds */
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 write_seq;
	__u32 copied_seq;
	__u32 flags;
	__u16 sport; /* host order, from inet_sport: skc_num is 0 once the port is released */
	__u16 dport; /* host order */
	__u16 err; /* positive errno */
	__u16 err_soft;
	__u8 kind;
	__u8 family; /* AF_INET or AF_INET6 */
	__u8 old_state; /* INVENTORY, TW_*: a mini-socket's substate */
	__u8 state; /* TRANSITION: the new state */
	__u8 shutdown;
	__u8 retransmits;
	__u8 probes;
	__u8 count; /* SYNACK, NEW_SYN_RECV, TRANSITION from SYN_RECV: how often the SYN-ACK was sent
		       again; RETRANSMIT: enum again_cause;
		       TW_CANCEL: enum tw_cause */
};

/* One per CPU and program, in memory that user space maps: no system call to
 * read it, and no program writes another's. */
struct counters {
	__u64 seen; /* times the program ran */
	__u64 filtered; /* seen, and not a TCP socket's */
	__u64 lost; /* seen, wanted, and no room in the ring */
};

#endif
