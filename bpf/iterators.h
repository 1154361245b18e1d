/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is there: every TCP socket of a network namespace, and who holds which. */
#ifndef TCPWATCH_ITERATORS_H
#define TCPWATCH_ITERATORS_H

/* A row is read without the socket's lock. Its time is taken last: a transition
 * that the state may or may not show yet is then older than the row, and the
 * reader trusts it before the row. */
static __always_inline void date_row(struct event *e)
{
	barrier();
	e->time = bpf_ktime_get_boot_ns();
}

/* Notes the function that tells a mini-socket's timer, for where /proc/kallsyms
 * hides it. It is 0 in one that is being killed (timer_shutdown_sync, 6.2). */
static __always_inline void learn_handler(__u64 function)
{
	if (function && function != tw_handler)
		tw_handler = function;
}

static __always_inline void write_row(struct bpf_iter_meta *meta, struct event *e)
{
	date_row(e);
	bpf_seq_write(meta->seq, e, sizeof(*e));
}

/*
 * The kernel's helpers tell a mini-socket and a request by the address of their
 * protocol, and do not know those below an MPTCP listener, whose protocol is a copy of
 * TCP's: the iterator meets TCP's only, so the state tells them.
 */
static __always_inline bool fill_unknown(struct event *e, struct sock_common *skc)
{
	__u8 state = skc->skc_state;

	if (!may_read_memory)
		return false;
	if (state == TCP_NEW_SYN_RECV) {
		peek_request(e, (void *)skc);
		return true;
	}
	if (state != TCP_TIME_WAIT)
		return false;
	struct tcp_timewait_sock *tw = (void *)skc;
	__s64 left = peek(tw, tw_sk.tw_timer.expires) - bpf_jiffies64();
	peek_timewait(e, tw);
	e->old_state = peek(tw, tw_sk.tw_substate);
	e->extra = left > 0 ? left * tick_ns : 0;
	learn_handler((__u64)peek(tw, tw_sk.tw_timer.function));
	return true;
}

/* The iterator holds on to some sockets at a time: a mini-socket may have ended before
 * its turn comes. To be asked once the row is dated; tw is 0 unless the kernel's helper
 * knows it. */
static __always_inline bool mini_ended(struct event *e, struct sock_common *skc, struct tcp_timewait_sock *tw)
{
	if (tw)
		return !tw->tw_sk.tw_timer.entry.pprev;
	struct tcp_timewait_sock *unknown = (void *)skc;
	return e->state == TCP_TIME_WAIT && may_read_memory && !peek(unknown, tw_sk.tw_timer.entry.pprev);
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
		fill_timewait(&e, skc, tw);
		learn_handler((__u64)tw->tw_sk.tw_timer.function);
	} else {
		struct tcp_request_sock *treq = bpf_skc_to_tcp_request_sock(skc);
		if (treq) {
			fill_request(&e, treq);
		} else if (!fill_unknown(&e, skc)) {
			struct tcp_sock *tp = bpf_skc_to_tcp_sock(skc);
			if (!tp)
				return 0;
			struct sock *sk = &tp->inet_conn.icsk_inet.sk;
			fill_full(&e, tp);
			if (e.state == TCP_LISTEN)
				fill_syn_queue(&e, sk, tp);
			else
				fill_ages(&e, tp);
		}
	}
	e.kind = KIND_INVENTORY;
	if (!e.cookie && has_cookie_helper)
		e.cookie = bpf_get_socket_cookie(skc);
	date_row(&e);
	if (!mini_ended(&e, skc, tw))
		bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

/* An fd of an MPTCP socket holds all its subflows, TCP sockets that have no fd:
 * it is told of under the address of the MPTCP socket, which their rows name, and
 * under that of the first subflow, as the row of a listening one has no room. */
static __always_inline void write_msk(struct bpf_iter_meta *meta, struct event *e, struct sock *sk)
{
	struct mptcp_sock *msk = (void *)sk;

	if (!may_read_memory || !field_exists(struct mptcp_sock, first))
		return;
	e->family = peek(sk, __sk_common.skc_family);
	if (e->family != AF_INET && e->family != AF_INET6)
		return;
	struct net *net = peek(sk, __sk_common.skc_net.net);
	e->netns = peek(net, ns.inum);
	e->sk = (__u64)sk;
	e->state = peek(sk, __sk_common.skc_state);
	e->flags = FLAG_MPTCP | FLAG_HAS_SOCKET;
	write_row(meta, e);
	struct sock *first = peek(msk, first);
	if (!first)
		return;
	peek_sock(e, first);
	e->flags |= FLAG_MPTCP;
	if (e->state == TCP_LISTEN)
		note_by_address(e->sk, e, true);
	if (!peek(first, sk_socket))
		e->flags &= ~FLAG_HAS_SOCKET;
	write_row(meta, e);
}

/* Both fill_holder and peek_holder take e with its task filled in, and note it
 * as the owner of a listener, so that the children of one that is older than
 * tcpwatch inherit it. */

/* A holder where the kernel has no bpf_sock_from_file: the file is a socket's by
 * its inode, and all is read through pointers that the verifier does not follow.
 * False if it is no TCP socket's. */
static __always_inline bool peek_holder(struct bpf_iter_meta *meta, struct event *e, struct file *file)
{
	struct inode *inode = peek(file, f_inode);
	if ((peek(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	struct socket *socket = peek(file, private_data); /* 0 with O_PATH */
	struct sock *sk = socket ? peek(socket, sk) : 0;
	if (!sk || peek(sk, sk_type) != SOCK_STREAM)
		return false;
	__u16 protocol = peek(sk, sk_protocol);
	if (protocol == IPPROTO_MPTCP)
		write_msk(meta, e, sk);
	if (protocol != IPPROTO_TCP)
		return false;
	e->family = peek(sk, __sk_common.skc_family);
	if (e->family != AF_INET && e->family != AF_INET6)
		return false;
	peek_sock(e, sk);
	if (e->state == TCP_LISTEN && !has_sk_storage)
		note_by_address((__u64)sk, e, true);
	return true;
}

/* A holder of a TCP socket, or false. */
static __always_inline bool fill_holder(struct bpf_iter_meta *meta, struct event *e, struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return false;
	struct sock *sk = socket->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return false;
	if (sk->sk_protocol == IPPROTO_MPTCP && sk->sk_type == SOCK_STREAM)
		write_msk(meta, e, sk);
	struct tcp_sock *tp = tcp_of(sk);
	if (!tp)
		return false;
	fill_full(e, tp);
	if (!e->cookie && has_cookie_helper)
		e->cookie = bpf_get_socket_cookie(sk);
	if (e->state == TCP_LISTEN)
		note_listener(sk, e, true);
	/* One in CLOSE has no row of its own to say it. */
	e->extra = e->state == TCP_CLOSE ? (__u64)ms_ago(tp->rcv_tstamp) << 32 : 0;
	return true;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct event e = {};

	if (!task || !file)
		return 0;
	e.kind = KIND_HOLDER;
	e.pid = tgid_of(task);
	__builtin_memcpy(e.comm, task->comm, sizeof(e.comm));
	e.extra = ctx->fd;
	if (!(has_sock_from_file ? fill_holder(ctx->meta, &e, file) : peek_holder(ctx->meta, &e, file)))
		return 0;
	e.extra = (e.extra & ~0xffffffffULL) | ctx->fd; /* filled over */
	write_row(ctx->meta, &e);
	return 0;
}

#endif
