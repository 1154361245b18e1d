//go:build ignore
/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reports what the kernel's TCP sockets do. It never interprets: meaning is
 * made in Go, where it can be tested. Each program filters first and reserves
 * last; what it cannot deliver it counts.
 */
#include "kernel.h"
#include "helpers.h"
#include "event.h"
#include "config.h"
#include "task.h"
#include "record.h"
#include "owner.h"
#include "stack.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The reader sets armed before it sleeps; whoever takes it wakes the reader.
 * So a burst costs one wake-up. */
volatile __u32 armed;

enum program {
	PROGRAM_STATE,
	PROGRAM_STATE_RESCUE,
	PROGRAM_RETRANSMIT,
	PROGRAM_SYNACK,
	PROGRAM_RESET_SENT,
	PROGRAM_RESET_RECEIVED,
	PROGRAM_DESTROY,
	PROGRAM_FIRST_READ,
	PROGRAM_TW_START,
	PROGRAM_TW_CANCEL,
	PROGRAM_TW_EXPIRE,
	PROGRAM_ACCEPTED,
	NUM_PROGRAMS,
};

struct cpu {
	struct counters program[NUM_PROGRAMS];
	__u64 in_state; /* the state program runs on this CPU */
	__u64 argument; /* of reset_sent, see is_null */
	__u64 stack; /* of tw_cancel, see runs_out; it may interrupt reset_sent */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* set by the loader */
	__type(value, struct event); /* puts the layout into BTF for the tests */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* possible CPUs, set by the loader */
	__type(key, __u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

static __always_inline struct cpu *this_cpu(void)
{
	__u32 id = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&cpus, &id);
}

/* Adds one to a counter of this CPU. Where a program can interrupt itself, the
 * two must not lose each other's. */
static __always_inline void count(__u64 *n)
{
	if (skips_nested)
		*n += 1;
	else
		__sync_fetch_and_add(n, 1);
}

static __always_inline struct event *reserve(struct counters *c)
{
	struct event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (unlikely(!e))
		count(&c->lost);
	return e;
}

static __always_inline void submit(void *e)
{
	__u64 wake = BPF_RB_NO_WAKEUP;

	if (unlikely(armed)) {
		armed = 0;
		wake = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(e, wake);
}

/* The socket as a TCP socket, or 0: SCTP and MPTCP sockets use these
 * tracepoints too, and an MPTCP socket is no tcp_sock. Nor is a raw socket, which
 * may have the protocol's number. */
static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	if (sk->sk_protocol != IPPROTO_TCP || sk->sk_type != SOCK_STREAM)
		return 0;
	return bpf_skc_to_tcp_sock(sk);
}

/* An event of a full socket: reserved, filled, ready for what is special. */
static __always_inline struct event *begin(struct counters *c, struct sock *sk, __u8 kind)
{
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp) {
		count(&c->filtered);
		return 0;
	}
	struct event *e = reserve(c);
	if (!e)
		return 0;
	e->time = bpf_ktime_get_boot_ns();
	fill_sock(e, sk, tp);
	clear_rest(e);
	if (!e->cookie && has_cookie_helper)
		e->cookie = bpf_get_socket_cookie(sk);
	e->kind = kind;
	e->state = sk->__sk_common.skc_state;
	return e;
}

#include "life.h"

static __always_inline __u8 synacks_of(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	return tp ? synacks_again(tp) : 0;
}

static __always_inline int transition(__u64 *ctx, struct counters *c, __u32 flags)
{
	struct sock *sk = (void *)ctx[0];
	int from = ctx[1], to = ctx[2];

	count(&c->seen);
	if (wants_lives)
		return life_transition(c, sk, from, to, flags);
	struct event *e = begin(c, sk, KIND_TRANSITION);
	if (!e)
		return 0;
	e->flags |= flags;
	e->old_state = from;
	e->state = to;
	if (to == TCP_SYN_RECV && from != TCP_SYN_SENT) {
		/* A child is born. Up to 6.14 its peer and cookie are filled in later. */
		if (!e->dport)
			e->flags |= FLAG_STALE;
		struct owner *o = inherited(sk, e->flags & FLAG_MPTCP);
		if (o) {
			e->flags |= o->descends ? FLAG_INHERITED | FLAG_DESCENDANT : FLAG_INHERITED;
			e->pid = o->pid;
			e->extra = o->seen;
			__builtin_memcpy(e->comm, o->comm, sizeof(e->comm));
		}
	} else {
		fill_actor(e);
		if (from == TCP_SYN_RECV)
			e->count = synacks_of(sk);
		if (to == TCP_LISTEN && (e->flags & FLAG_OWNED))
			note_listener(sk, e, false);
		if (to == TCP_SYN_SENT && wants_stacks && (e->flags & FLAG_OWNED))
			e->extra = stack_of(ctx);
	}
	submit(e);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int state(__u64 *ctx)
{
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	cpu->in_state = 1;
	barrier();
	transition(ctx, &cpu->program[PROGRAM_STATE], 0);
	barrier();
	cpu->in_state = 0;
	return 0;
}

/* The kernel skips a program that already runs on this CPU: an event that
 * nests in the one above, from an interrupt, would be lost. This second copy
 * records those, and only those. */
SEC("tp_btf/inet_sock_set_state")
int state_rescue(__u64 *ctx)
{
	struct cpu *cpu = this_cpu();
	if (!cpu || likely(!cpu->in_state))
		return 0;
	return transition(ctx, &cpu->program[PROGRAM_STATE_RESCUE], FLAG_RESCUED);
}

/* A byte of TCP's part of a packet's control block. The verifier follows the
 * pointer, but to bytes only; a helper that reads memory, lockdown forbids. */
static __always_inline __u8 cb_byte(struct sk_buff *skb, __u32 at)
{
	return *((__u8 *)skb->cb + at);
}

#define cb_offset(type, field) \
	__builtin_preserve_field_info(((type *)0)->field, 0 /* BPF_FIELD_BYTE_OFFSET */)

static __always_inline __u32 seq_of(struct sk_buff *skb)
{
	__u32 at = cb_offset(struct tcp_skb_cb, seq);

	return cb_byte(skb, at) | cb_byte(skb, at + 1) << 8 | cb_byte(skb, at + 2) << 16 |
	       (__u32)cb_byte(skb, at + 3) << 24;
}

static __always_inline __u16 flags_of_skb(struct sk_buff *skb)
{
	__u32 at = cb_offset(struct tcp_skb_cb___6_18, tcp_flags);

	if (field_size(struct tcp_skb_cb, tcp_flags) == 1)
		return cb_byte(skb, at);
	return cb_byte(skb, at) | cb_byte(skb, at + 1) << 8;
}

/* Why a segment is sent again. */
enum again_cause { AGAIN_UNKNOWN, AGAIN_RTO, AGAIN_FAST, AGAIN_PROBE };

/* TCP_CA_* of linux/tcp.h, and ICSK_TIME_LOSS_PROBE of net/inet_connection_sock.h: the
 * same from 5.8 to 7.3. */
enum { CA_RECOVERY = 3, CA_LOSS = 4, TIME_LOSS_PROBE = 5 };

/*
 * tcp_retransmit_timer enters CA_LOSS first, and what is sent again while it lasts
 * is the same recovery's. tcp_write_timer_handler leaves icsk_pending as it is for
 * the tail loss probe; in CA_RECOVERY it may be that of a probe to come.
 */
static __always_inline __u8 again_cause(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return AGAIN_UNKNOWN;
	switch (bit(tp, inet_conn.icsk_ca_state)) {
	case CA_LOSS:
		return AGAIN_RTO;
	case CA_RECOVERY:
		return AGAIN_FAST;
	}
	return tp->inet_conn.icsk_pending == TIME_LOSS_PROBE ? AGAIN_PROBE : AGAIN_UNKNOWN;
}

SEC("tp_btf/tcp_retransmit_skb")
int retransmit(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_RETRANSMIT];

	count(&c->seen);
	int err = has_retransmit_err ? ctx[2] : 0;
	if (wants_lives)
		return life_retransmit(c, sk, flags_of_skb(skb), err);
	struct event *e = begin(c, sk, KIND_RETRANSMIT);
	if (!e)
		return 0;
	e->extra = seq_of(skb) | (__u64)flags_of_skb(skb) << 32;
	e->count = again_cause(sk);
	if (has_retransmit_err)
		e->err = err < 0 ? -err : err;
	submit(e);
	return 0;
}

static __always_inline __u8 add_one(__u8 n)
{
	return n == 0xff ? n : n + 1;
}

SEC("tp_btf/tcp_retransmit_synack")
int synack(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct request_sock *req = (void *)ctx[1];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_SYNACK];

	count(&c->seen);
	struct event *e = begin(c, sk, KIND_SYNACK);
	if (!e)
		return 0;
	/* sk is the listener, or with TCP Fast Open the child: the peer is the request's. */
	struct tcp_request_sock *treq = bpf_skc_to_tcp_request_sock(req);
	if (treq) {
		fill_common(e, &treq->req.req.__req_common, &treq->req.req.__req_common);
		e->extra = treq->snt_isn | (__u64)treq->rcv_isn << 32;
	} else if (may_read_memory) { /* below an MPTCP listener: see fill_unknown */
		struct tcp_request_sock *unknown = (void *)req;
		peek_common(e, &unknown->req.req.__req_common);
		e->extra = peek(unknown, snt_isn) | (__u64)peek(unknown, rcv_isn) << 32;
	}
	if (treq || may_read_memory) {
		e->sk = (__u64)sk;
		e->state = req->__req_common.skc_state;
		e->count = add_one(req->num_retrans); /* the kernel counts this one after */
	}
	submit(e);
	return 0;
}

/*
 * Whether a tracepoint's argument is NULL. From 6.5 on the verifier takes a typed
 * argument to be never NULL and deletes the comparison, until it learnt which may
 * be (838a10bd2ebf, 6.13, and 6.12.2): the number is compared after a way through
 * memory that the verifier does not know the types of.
 */
static __always_inline bool is_null(volatile __u64 *memory, __u64 argument)
{
	*memory = argument;
	return *memory == 0;
}

SEC("tp_btf/tcp_send_reset")
int reset_sent(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_RESET_SENT];

	count(&c->seen);
	/* From 6.10 on also without a socket, or for a TIME_WAIT mini-socket. */
	if (is_null(&cpu->argument, ctx[0]) || !sk || sk->__sk_common.skc_state == TCP_TIME_WAIT ||
	    sk->__sk_common.skc_state == TCP_NEW_SYN_RECV) {
		count(&c->filtered);
		return 0;
	}
	if (wants_lives)
		return life_reset(c, sk, KIND_RESET_SENT, is_null(&cpu->argument, ctx[1]) ? FLAG_ACTIVE_RESET : 0,
				  has_reset_reason ? (__u32)ctx[2] + 1 : 0);
	struct event *e = begin(c, sk, KIND_RESET_SENT);
	if (!e)
		return 0;
	fill_actor(e);
	if (is_null(&e->extra, ctx[1]))
		e->flags |= FLAG_ACTIVE_RESET;
	e->extra = has_reset_reason ? (__u32)ctx[2] + 1ULL : 0;
	submit(e);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int reset_received(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_RESET_RECEIVED];

	count(&c->seen);
	if (wants_lives)
		return life_reset(c, sk, KIND_RESET_RECEIVED, 0, 0);
	struct event *e = begin(c, sk, KIND_RESET_RECEIVED);
	if (e)
		submit(e);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int destroy(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_DESTROY];

	count(&c->seen);
	forget_listener(tcp_of(sk));
	if (wants_lives)
		return life_destroyed(c, sk);
	struct event *e = begin(c, sk, KIND_DESTROY);
	if (e)
		submit(e);
	return 0;
}

/* A process reads from a new connection soon or not at all: beyond, only an fd
 * tells. */
enum { FIRST_BYTES = 64 << 10 };

/* Runs whenever a process has read something from a TCP socket. A child that only
 * inherits its owner has one of its own from then on. Connections that carry much
 * take the first way out. */
SEC("tp_btf/tcp_rcv_space_adjust")
int first_read(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp || tp->bytes_received > FIRST_BYTES)
		return 0;
	struct owner *o = bpf_sk_storage_get(&owners, sk, 0, 0);
	if (!o || likely(o->has_read) || !sk->sk_lock.owned)
		return 0;
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_FIRST_READ];

	o->has_read = 1;
	count(&c->seen);
	struct event *e = begin(c, sk, KIND_READ);
	if (!e)
		return 0;
	fill_actor(e);
	submit(e);
	return 0;
}

#include "timewait.h"
#include "iterators.h"
#include "accept.h"
