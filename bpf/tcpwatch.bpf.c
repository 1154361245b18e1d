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

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set by the loader before the programs are verified: a branch that is off is
 * not verified, so it may name what this kernel lacks. */
const volatile bool has_cookie_helper; /* bpf_get_socket_cookie in tracing: 5.12 */
const volatile bool has_sk_storage; /* socket storage in tracing: 5.11 */
const volatile bool has_current_task_btf; /* bpf_get_current_task_btf: 5.11 */
const volatile bool has_reset_reason; /* third argument of tcp_send_reset: 6.10 */
const volatile bool has_retransmit_err; /* third argument of tcp_retransmit_skb: 6.15 to 6.17 */
const volatile bool has_sock_from_file; /* bpf_sock_from_file: 5.11 */
const volatile __u64 pidns_dev; /* 0: the initial pid namespace, no translation */
const volatile __u64 pidns_ino;
const volatile __u64 tick_ns = 4000000; /* length of a jiffy */

/* The reader sets armed before it sleeps; whoever takes it wakes the reader.
 * So a burst costs one wake-up. */
volatile __u32 armed;

enum { MAX_PIDNS_LEVELS = 8 }; /* the kernel allows 32; containers nest one or two */

enum program {
	PROGRAM_STATE,
	PROGRAM_STATE_RESCUE,
	PROGRAM_RETRANSMIT,
	PROGRAM_SYNACK,
	PROGRAM_RESET_SENT,
	PROGRAM_RESET_RECEIVED,
	PROGRAM_DESTROY,
	NUM_PROGRAMS,
};

struct cpu {
	struct counters program[NUM_PROGRAMS];
	__u64 in_state; /* the state program runs on this CPU */
};

struct owner {
	__u32 pid;
	char comm[16];
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

/* On a listener: who listens. The kernel clones it into each child. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

static __always_inline struct cpu *this_cpu(void)
{
	__u32 id = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&cpus, &id);
}

/* The caller's pid in the pid namespace of tcpwatch, 0 if it has none there. */
static __always_inline __u32 current_tgid(void)
{
	if (pidns_ino) {
		struct bpf_pidns_info info = {};
		if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &info, sizeof(info)))
			return 0;
		return info.tgid;
	}
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline bool current_is_kthread(void)
{
	unsigned int flags = 0;

	if (has_current_task_btf)
		return bpf_get_current_task_btf()->flags & PF_KTHREAD;
	struct task_struct *task = (void *)bpf_get_current_task();
	bpf_probe_read_kernel(&flags, sizeof(flags), __builtin_preserve_access_index(&task->flags));
	return flags & PF_KTHREAD;
}

static __always_inline void clear16(__u8 *p)
{
	*(__u64 *)p = 0;
	*(__u64 *)(p + 8) = 0;
}

static __always_inline void copy16(__u8 *to, const struct in6_addr *from)
{
	*(__u32 *)to = from->in6_u.u6_addr32[0];
	*(__u32 *)(to + 4) = from->in6_u.u6_addr32[1];
	*(__u32 *)(to + 8) = from->in6_u.u6_addr32[2];
	*(__u32 *)(to + 12) = from->in6_u.u6_addr32[3];
}

/* What full sockets, request sockets and mini-sockets have in common. */
static __always_inline void fill_common(struct event *e, struct sock_common *skc)
{
	struct net *net = skc->skc_net.net;

	e->time = bpf_ktime_get_boot_ns();
	e->sk = (__u64)skc;
	e->cookie = skc->skc_cookie.counter;
	e->netns = net->ns.inum;
	e->netns_cookie = field_exists(struct net, net_cookie) ? net->net_cookie : 0;
	e->dport = swap16(skc->skc_dport);
	e->family = skc->skc_family;
	if (skc->skc_family == AF_INET6) {
		copy16(e->saddr, &skc->skc_v6_rcv_saddr);
		copy16(e->daddr, &skc->skc_v6_daddr);
	} else {
		clear16(e->saddr);
		clear16(e->daddr);
		*(__u32 *)e->saddr = skc->skc_rcv_saddr;
		*(__u32 *)e->daddr = skc->skc_daddr;
	}
}

static __always_inline __u32 flags_of(struct sock *sk, struct tcp_sock *tp)
{
	unsigned long skc_flags = sk->__sk_common.skc_flags;
	__u32 flags = 0;

	if (sk->sk_lock.owned)
		flags |= FLAG_OWNED;
	if (skc_flags & (1UL << SOCK_DEAD))
		flags |= FLAG_DEAD;
	if (skc_flags & (1UL << SOCK_DONE))
		flags |= FLAG_DONE;
	if (skc_flags & (1UL << SOCK_KEEPOPEN))
		flags |= FLAG_KEEPOPEN;
	if ((skc_flags & (1UL << SOCK_LINGER)) && sk->sk_lingertime == 0)
		flags |= FLAG_LINGER0;
	if (sk->sk_socket)
		flags |= FLAG_HAS_SOCKET;
	if (!bit(sk, __sk_common.skc_net_refcnt))
		flags |= FLAG_KERNEL;
	if (tp->linger2 < 0)
		flags |= FLAG_LINGER2_NEG;
	if (bit(tp, repair))
		flags |= FLAG_REPAIR;
	if (tp->fastopen_rsk)
		flags |= FLAG_TFO;
	if (tp->inet_conn.icsk_user_timeout)
		flags |= FLAG_USER_TIMEOUT;
	if (field_exists(struct tcp_sock, is_mptcp) && tp->is_mptcp)
		flags |= FLAG_MPTCP;
	return flags;
}

static __always_inline void fill_sock(struct event *e, struct sock *sk, struct tcp_sock *tp)
{
	fill_common(e, &sk->__sk_common);
	e->bytes_acked = tp->bytes_acked;
	e->bytes_received = tp->bytes_received;
	e->snd_una = tp->snd_una;
	e->snd_nxt = tp->snd_nxt;
	e->rcv_nxt = tp->rcv_nxt;
	e->write_seq = tp->write_seq;
	e->copied_seq = tp->copied_seq;
	e->sport = swap16(tp->inet_conn.icsk_inet.inet_sport);
	e->err = sk->sk_err;
	e->err_soft = sk->sk_err_soft;
	e->shutdown = sk->sk_shutdown;
	e->retransmits = tp->inet_conn.icsk_retransmits;
	e->probes = tp->inet_conn.icsk_probes_out;
	e->flags = flags_of(sk, tp);
}

/* Of a mini-socket or a request socket: all that fill_sock fills and they lack. */
static __always_inline void clear_sock(struct event *e)
{
	e->bytes_acked = 0;
	e->bytes_received = 0;
	e->snd_una = 0;
	e->snd_nxt = 0;
	e->rcv_nxt = 0;
	e->write_seq = 0;
	e->copied_seq = 0;
	e->err = 0;
	e->err_soft = 0;
	e->shutdown = 0;
	e->retransmits = 0;
	e->probes = 0;
	e->flags = 0;
}

static __always_inline void clear_rest(struct event *e)
{
	e->extra = 0;
	e->pid = 0;
	clear16(e->comm);
	e->old_state = 0;
	e->count = 0;
}

/* Who acts: current, but only while it holds the socket in a system call.
 * Otherwise current is whoever was interrupted. */
static __always_inline void fill_actor(struct event *e)
{
	if (!(e->flags & FLAG_OWNED))
		return;
	e->pid = current_tgid();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	if (current_is_kthread())
		e->flags |= FLAG_KTHREAD;
}

static __always_inline struct event *reserve(struct counters *c)
{
	struct event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (unlikely(!e))
		c->lost++;
	return e;
}

static __always_inline void submit(struct event *e)
{
	__u64 wake = BPF_RB_NO_WAKEUP;

	if (unlikely(armed)) {
		armed = 0;
		wake = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(e, wake);
}

/* The socket as a TCP socket, or 0: SCTP and MPTCP sockets use these
 * tracepoints too, and an MPTCP socket is no tcp_sock. */
static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	return bpf_skc_to_tcp_sock(sk);
}

/* An event of a full socket: reserved, filled, ready for what is special. */
static __always_inline struct event *begin(struct counters *c, struct sock *sk, __u8 kind)
{
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp) {
		c->filtered++;
		return 0;
	}
	struct event *e = reserve(c);
	if (!e)
		return 0;
	fill_sock(e, sk, tp);
	clear_rest(e);
	if (!e->cookie && has_cookie_helper)
		e->cookie = bpf_get_socket_cookie(sk);
	e->kind = kind;
	e->state = sk->__sk_common.skc_state;
	return e;
}

static __always_inline int transition(__u64 *ctx, struct counters *c, __u32 flags)
{
	struct sock *sk = (void *)ctx[0];
	int from = ctx[1], to = ctx[2];

	c->seen++;
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
		struct owner *o = has_sk_storage ? bpf_sk_storage_get(&owners, sk, 0, 0) : 0;
		if (o) {
			e->flags |= FLAG_INHERITED;
			e->pid = o->pid;
			__builtin_memcpy(e->comm, o->comm, sizeof(e->comm));
		}
	} else {
		fill_actor(e);
		if (to == TCP_LISTEN && has_sk_storage && (e->flags & FLAG_OWNED)) {
			struct owner *o =
				bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
			if (o) {
				o->pid = e->pid;
				__builtin_memcpy(o->comm, e->comm, sizeof(o->comm));
			}
		}
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

SEC("tp_btf/tcp_retransmit_skb")
int retransmit(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_RETRANSMIT];

	c->seen++;
	struct event *e = begin(c, sk, KIND_RETRANSMIT);
	if (!e)
		return 0;
	struct tcp_skb_cb *cb = (void *)skb->cb;
	__u32 seq = 0;
	__u8 tcp_flags = 0;
	bpf_probe_read_kernel(&seq, sizeof(seq), __builtin_preserve_access_index(&cb->seq));
	bpf_probe_read_kernel(&tcp_flags, sizeof(tcp_flags),
			      __builtin_preserve_access_index(&cb->tcp_flags));
	e->extra = seq | (__u64)tcp_flags << 32;
	if (has_retransmit_err) {
		int err = ctx[2];
		e->err = err < 0 ? -err : err;
	}
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

	c->seen++;
	struct event *e = begin(c, sk, KIND_SYNACK);
	if (!e)
		return 0;
	/* sk is the listener, or with TCP Fast Open the child: the peer is the request's. */
	struct tcp_request_sock *treq = bpf_skc_to_tcp_request_sock(req);
	if (treq) {
		fill_common(e, &req->__req_common);
		e->sk = (__u64)sk;
		e->state = req->__req_common.skc_state;
		e->extra = treq->snt_isn | (__u64)treq->rcv_isn << 32;
		e->count = add_one(req->num_retrans); /* the kernel counts this one after */
	}
	submit(e);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int reset_sent(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_RESET_SENT];

	c->seen++;
	/* From 6.10 on also without a socket, or for a TIME_WAIT mini-socket. */
	if (!sk || sk->__sk_common.skc_state == TCP_TIME_WAIT ||
	    sk->__sk_common.skc_state == TCP_NEW_SYN_RECV) {
		c->filtered++;
		return 0;
	}
	struct event *e = begin(c, sk, KIND_RESET_SENT);
	if (!e)
		return 0;
	fill_actor(e);
	if (!ctx[1])
		e->flags |= FLAG_ACTIVE_RESET;
	if (has_reset_reason)
		e->extra = (__u32)ctx[2] + 1ULL;
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

	c->seen++;
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

	c->seen++;
	struct event *e = begin(c, sk, KIND_DESTROY);
	if (e)
		submit(e);
	return 0;
}

static __always_inline void fill_timewait(struct event *e, struct tcp_timewait_sock *tw)
{
	__s64 left = tw->tw_sk.tw_timer.expires - bpf_jiffies64();

	fill_common(e, &tw->tw_sk.__tw_common);
	clear_sock(e);
	e->sport = swap16(tw->tw_sk.tw_sport);
	e->old_state = tw->tw_sk.tw_substate;
	e->state = TCP_TIME_WAIT;
	e->snd_nxt = tw->tw_sk.__tw_common.skc_tw_snd_nxt;
	e->rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
	e->extra = left > 0 ? left * tick_ns : 0;
}

static __always_inline void fill_request(struct event *e, struct tcp_request_sock *treq)
{
	fill_common(e, &treq->req.req.__req_common);
	clear_sock(e);
	e->sport = treq->req.req.__req_common.skc_num;
	e->state = TCP_NEW_SYN_RECV;
	e->snd_nxt = treq->snt_isn;
	e->rcv_nxt = treq->rcv_isn;
	e->count = treq->req.req.num_retrans;
}

static __always_inline void fill_full(struct event *e, struct sock *sk, struct tcp_sock *tp)
{
	fill_sock(e, sk, tp);
	e->flags &= ~FLAG_OWNED; /* current is tcpwatch */
	e->state = sk->__sk_common.skc_state;
	if (e->state == TCP_LISTEN)
		e->extra = sk->sk_ack_backlog | (__u64)sk->sk_max_ack_backlog << 32;
}

/* A row is read without the socket's lock. Its time is taken last: a transition
 * that the state may or may not show yet is then older than the row, and the
 * reader trusts it before the row. */
static __always_inline void date_row(struct event *e)
{
	barrier();
	e->time = bpf_ktime_get_boot_ns();
}

SEC("iter/tcp")
int inventory(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct event e = {};

	if (!skc)
		return 0;
	struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(skc);
	if (tw) {
		fill_timewait(&e, tw);
	} else {
		struct tcp_request_sock *treq = bpf_skc_to_tcp_request_sock(skc);
		if (treq) {
			fill_request(&e, treq);
		} else {
			struct tcp_sock *tp = bpf_skc_to_tcp_sock(skc);
			if (!tp)
				return 0;
			fill_full(&e, &tp->inet_conn.icsk_inet.sk, tp);
		}
	}
	e.kind = KIND_INVENTORY;
	if (!e.cookie && has_cookie_helper)
		e.cookie = bpf_get_socket_cookie(skc);
	date_row(&e);
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

/* The task's pid in the pid namespace of tcpwatch, 0 if it has none there. */
static __always_inline __u32 tgid_of(struct task_struct *task)
{
	if (!pidns_ino)
		return task->tgid;
	struct pid *pid = task->signal->pids[1];
	for (int i = 0; i < MAX_PIDNS_LEVELS; i++) {
		struct upid up;
		if (bpf_probe_read_kernel(&up, sizeof(up), (void *)&pid->numbers[i]))
			break;
		unsigned int inum = 0;
		bpf_probe_read_kernel(&inum, sizeof(inum), &up.ns->ns.inum);
		if (inum == pidns_ino)
			return up.nr;
	}
	return 0;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct event e = {};

	if (!task || !file || !has_sock_from_file)
		return 0;
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	struct sock *sk = socket->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp)
		return 0;
	fill_full(&e, sk, tp);
	e.kind = KIND_HOLDER;
	e.extra = ctx->fd;
	e.pid = tgid_of(task);
	__builtin_memcpy(e.comm, task->comm, sizeof(e.comm));
	if (!e.cookie && has_cookie_helper)
		e.cookie = bpf_get_socket_cookie(sk);
	/* So that the children of a listener older than tcpwatch inherit its owner. */
	if (e.state == TCP_LISTEN && has_sk_storage) {
		struct owner *o =
			bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (o && !o->pid) {
			o->pid = e.pid;
			__builtin_memcpy(o->comm, e.comm, sizeof(o->comm));
		}
	}
	date_row(&e);
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}
