/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The history of a life kept in the kernel, and handed over when it is over: when
 * the memory of the socket is freed, or the socket begins another life. One record in
 * place of one for each event, for whoever asks only how connections lived and died:
 * the programs take as long, the reader has less to do.
 */
#ifndef TCPWATCH_LIFE_H
#define TCPWATCH_LIFE_H

enum { LIFE_STEPS = 12 };

/* A transition, or a reset. */
struct life_step {
	__u64 time;
	__u32 flags;
	__u32 extra; /* RESET_SENT: enum sk_rst_reason + 1 */
	__u16 err;
	__u8 kind;
	__u8 old_state;
	__u8 state;
	__u8 shutdown;
	__u8 retransmits;
	__u8 unused;
};

struct life {
	struct event end; /* as of ->CLOSE; KIND_LIFE: it was */
	__u32 seen; /* steps; of more than LIFE_STEPS the first half is kept, and the newest */
	__u32 pid; /* who acted last, or has the listener */
	char comm[16]; /* of pid */
	__u32 retransmits[4]; /* segments sent again, by enum segment */
	__u32 failed; /* of them, those that could not be */
	__u32 synacks_again; /* see synacks_again() */
	struct life_step steps[LIFE_STEPS];
};

enum segment { SEGMENT_DATA, SEGMENT_SYN, SEGMENT_SYNACK, SEGMENT_FIN };

/* By the socket's address: socket storage would be allocated, charged and freed for
 * each socket, which takes longer than all else. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* set by the loader */
	__type(key, __u64);
	__type(value, struct life);
} lives SEC(".maps");

const struct life unborn;

/* The life of a socket, begun if there is none. */
static __always_inline struct life *life_of(struct counters *c, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct life *l = bpf_map_lookup_elem(&lives, &key);

	if (likely(l))
		return l;
	bpf_map_update_elem(&lives, &key, &unborn, BPF_NOEXIST);
	l = bpf_map_lookup_elem(&lives, &key);
	if (!l)
		count(&c->lost);
	return l;
}

/* The next free step, or the oldest of the second half. */
static __always_inline struct life_step *next_step(struct life *l)
{
	__u32 i = l->seen++;

	if (i >= LIFE_STEPS)
		i = LIFE_STEPS / 2 + (i - LIFE_STEPS) % (LIFE_STEPS / 2);
	asm volatile("" : "+r"(i)); /* the verifier wants to see what the compiler knows */
	return i < LIFE_STEPS ? &l->steps[i] : 0;
}

static __always_inline void fill_step(struct life_step *s, struct sock *sk, struct tcp_sock *tp, __u8 kind, __u32 flags)
{
	s->time = bpf_ktime_get_boot_ns();
	s->flags = flags;
	s->extra = 0;
	s->err = sk->sk_err;
	s->kind = kind;
	s->old_state = 0;
	s->state = sk->__sk_common.skc_state;
	s->shutdown = sk->sk_shutdown;
	s->retransmits = tp->inet_conn.icsk_retransmits;
}

/* Who acts, in the life and in its step. */
static __always_inline void note_actor(struct life *l, struct life_step *s)
{
	if (!(s->flags & FLAG_OWNED))
		return;
	if (current_is_kthread()) {
		s->flags |= FLAG_KTHREAD;
		return;
	}
	l->pid = current_tgid();
	bpf_get_current_comm(l->comm, sizeof(l->comm));
}

static __always_inline void end_life(struct life *l, struct sock *sk, struct tcp_sock *tp)
{
	struct event *e = &l->end;

	e->time = bpf_ktime_get_boot_ns();
	fill_sock(e, sk, tp);
	clear_rest(e);
	if (!e->cookie && has_cookie_helper)
		e->cookie = bpf_get_socket_cookie(sk);
	e->kind = KIND_LIFE;
}

/* Hands a life over, and forgets it. */
static __always_inline void tell_life(struct counters *c, struct life *l, __u64 key)
{
	struct life *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (likely(record)) {
		__builtin_memcpy(record, l, sizeof(*record));
		submit(record);
	} else {
		count(&c->lost);
	}
	bpf_map_delete_elem(&lives, &key);
}

/* The life that a birth begins. Whatever is kept at the address was another: of a
 * socket that is used again, or, if it has no end, of one whose end was missed. */
static __always_inline struct life *new_life(struct counters *c, struct sock *sk)
{
	struct life *l = life_of(c, sk);

	if (likely(!l || !l->seen))
		return l;
	if (l->end.kind == KIND_LIFE) {
		tell_life(c, l, (__u64)sk);
	} else {
		__u64 key = (__u64)sk;

		count(&c->lost);
		bpf_map_delete_elem(&lives, &key);
	}
	return life_of(c, sk);
}

static __always_inline int life_transition(struct counters *c, struct sock *sk, int from, int to, __u32 flags)
{
	bool is_child = to == TCP_SYN_RECV && from != TCP_SYN_SENT;
	bool is_birth = is_child || (from == TCP_CLOSE && to != TCP_CLOSE);
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp) {
		count(&c->filtered);
		return 0;
	}
	struct life *l = is_birth ? new_life(c, sk) : life_of(c, sk);
	struct life_step *s = l ? next_step(l) : 0;
	if (!s)
		return 0;
	fill_step(s, sk, tp, KIND_TRANSITION, flags_of(sk, tp) | flags);
	s->old_state = from;
	s->state = to;
	if (is_child) {
		struct owner *o = inherited(sk, s->flags & FLAG_MPTCP);
		if (o) {
			s->flags |= FLAG_INHERITED;
			l->pid = o->pid;
			__builtin_memcpy(l->comm, o->comm, sizeof(l->comm));
		}
		return 0;
	}
	note_actor(l, s);
	if (from == TCP_SYN_RECV)
		l->synacks_again = synacks_again(tp);
	if (to == TCP_LISTEN && (s->flags & FLAG_OWNED)) {
		l->end.pid = l->pid;
		__builtin_memcpy(l->end.comm, l->comm, sizeof(l->comm));
		note_listener(sk, &l->end, false);
	}
	if (to == TCP_CLOSE)
		end_life(l, sk, tp);
	return 0;
}

/* A reset, by its kind. */
static __always_inline int life_reset(struct counters *c, struct sock *sk, __u8 kind, __u32 flags, __u32 extra)
{
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp) {
		count(&c->filtered);
		return 0;
	}
	struct life *l = life_of(c, sk);
	struct life_step *s = l ? next_step(l) : 0;
	if (!s)
		return 0;
	fill_step(s, sk, tp, kind, flags_of(sk, tp) | flags);
	s->extra = extra;
	note_actor(l, s);
	return 0;
}

static __always_inline int life_retransmit(struct counters *c, struct sock *sk, __u16 segment_flags, int err)
{
	enum { FIN = 1, SYN = 2, ACK = 16 };
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp) {
		count(&c->filtered);
		return 0;
	}
	struct life *l = life_of(c, sk);
	if (!l)
		return 0;
	if (segment_flags & SYN)
		l->retransmits[segment_flags & ACK ? SEGMENT_SYNACK : SEGMENT_SYN]++;
	else
		l->retransmits[segment_flags & FIN ? SEGMENT_FIN : SEGMENT_DATA]++;
	if (err)
		l->failed++;
	return 0;
}

/* The memory is about to be freed: nothing follows. A socket that is older than the
 * watch, or never did anything, has nothing to tell. */
static __always_inline int life_destroyed(struct counters *c, struct sock *sk)
{
	struct tcp_sock *tp = tcp_of(sk);
	__u64 key = (__u64)sk;
	struct life *l = tp ? bpf_map_lookup_elem(&lives, &key) : 0;
	if (!l) {
		count(&c->filtered);
		return 0;
	}
	if (l->end.kind != KIND_LIFE)
		end_life(l, sk, tp);
	tell_life(c, l, key);
	return 0;
}

#endif
