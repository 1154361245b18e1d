/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Filling a record from each kind of socket. Nothing here decides or counts. */
#ifndef TCPWATCH_RECORD_H
#define TCPWATCH_RECORD_H

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

/*
 * What full sockets, request sockets and mini-sockets have in common. The time is
 * the caller's to take, which costs as much as all of this.
 *
 * The verifier trusts the arguments of a tracepoint: reads of numbers by way of them
 * need no check, at 3 ns each. For each pointer that is read so it searches all types
 * of the kernel four times by name, at 2 ms each (6.3 on). So numbers are read by way
 * of skc, and pointers by way of same, which a helper returned for it.
 */
static __always_inline void fill_common(struct event *e, struct sock_common *skc, struct sock_common *same)
{
	struct net *net = same->skc_net.net;

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

static __always_inline bool is_mptcp(struct tcp_sock *tp)
{
	return field_exists(struct tcp_sock, is_mptcp) && tp->is_mptcp;
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
	if (tp->inet_conn.icsk_inet.sk.sk_socket)
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
	if (is_mptcp(tp))
		flags |= FLAG_MPTCP;
	return flags;
}

static __always_inline void fill_sock(struct event *e, struct sock *sk, struct tcp_sock *tp)
{
	fill_common(e, &sk->__sk_common, &tp->inet_conn.icsk_inet.sk.__sk_common);
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

/*
 * How often the SYN-ACK went again of a child that leaves SYN_RECV: tcp_create_openreq_child
 * hands it the request's count. With TCP Fast Open the child has sent data, too, and an
 * active opener its SYN.
 */
static __always_inline __u8 synacks_again(struct tcp_sock *tp)
{
	__u32 n = tp->fastopen_rsk ? 0 : tp->total_retrans;

	return n > 0xff ? 0xff : n;
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

/* e is zero. */
static __always_inline void fill_timewait(struct event *e, struct sock_common *skc, struct tcp_timewait_sock *tw)
{
	__s64 left = tw->tw_sk.tw_timer.expires - bpf_jiffies64();

	fill_common(e, skc, &tw->tw_sk.__tw_common);
	e->sport = swap16(tw->tw_sk.tw_sport);
	e->old_state = tw->tw_sk.tw_substate;
	e->state = TCP_TIME_WAIT;
	e->snd_nxt = skc->skc_tw_snd_nxt;
	e->rcv_nxt = skc->skc_tw_rcv_nxt;
	e->extra = left > 0 ? left * tick_ns : 0;
}

/* e is zero. */
static __always_inline void fill_request(struct event *e, struct tcp_request_sock *treq)
{
	__s64 age = bpf_ktime_get_ns() - treq->snt_synack * 1000;

	fill_common(e, &treq->req.req.__req_common, &treq->req.req.__req_common);
	e->sport = treq->req.req.__req_common.skc_num;
	e->state = TCP_NEW_SYN_RECV;
	e->extra = (__u64)treq->req.req.__req_common.skc_listener;
	e->bytes_acked = treq->snt_synack && age > 0 ? age : 0;
	e->snd_nxt = treq->snt_isn;
	e->rcv_nxt = treq->rcv_isn;
	e->count = treq->req.req.num_retrans;
}

/* The address of the MPTCP socket that a subflow belongs to, 0 if it cannot be read. */
static __always_inline __u64 msk_of(struct tcp_sock *tp)
{
	if (!may_read_memory || !field_exists(struct mptcp_subflow_context, conn))
		return 0;
	struct mptcp_subflow_context *subflow = tp->inet_conn.icsk_ulp_data;
	return (__u64)peek(subflow, conn);
}

static __always_inline void fill_full(struct event *e, struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	fill_sock(e, sk, tp);
	e->flags &= ~FLAG_OWNED; /* current is tcpwatch */
	e->state = sk->__sk_common.skc_state;
	if (e->state == TCP_LISTEN)
		e->extra = sk->sk_ack_backlog | (__u64)sk->sk_max_ack_backlog << 32;
	else if (e->flags & FLAG_MPTCP)
		e->extra = msk_of(tp);
}

/* A moment of the past, in jiffies of 32 bits, as 1 + ms ago; 0 for never. */
static __always_inline __u32 ms_ago(__u32 then)
{
	__u32 ago = bpf_jiffies64() - then;

	return then ? ago * tick_ns / 1000000 + 1 : 0;
}

/* How long ago the first SYN went, as ms_ago (tcp_connect_init sets the stamp, 5.10
 * to 7.1). */
static __always_inline __u32 since_syn(struct tcp_sock *tp)
{
	__u64 us = bpf_ktime_get_ns() / 1000;
	__u32 stamp = tp->retrans_stamp;

	if (!stamp)
		return 0;
	if (field_exists(struct tcp_sock, tcp_usec_ts) && bit(tp, tcp_usec_ts))
		return ((__u32)us - stamp) / 1000 + 1;
	return (__u32)(us / 1000) - stamp + 1;
}

/* When something came last, in place of a name: a row has no task. events/ages.go
 * reads it. */
static __always_inline void fill_ages(struct event *e, struct tcp_sock *tp)
{
	__u32 *ages = (void *)e->comm;

	ages[0] = e->state == TCP_SYN_SENT ? since_syn(tp) : ms_ago(tp->rcv_tstamp);
	ages[1] = ms_ago(tp->inet_conn.icsk_ack.lrcvtime);
	ages[2] = ms_ago(tp->lsndtime);
}

static __always_inline __u32 syncookies_of(struct net *net)
{
	if (field_size(struct netns_ipv4, sysctl_tcp_syncookies) == 1)
		return ((struct netns_ipv4___5_13 *)&net->ipv4)->sysctl_tcp_syncookies;
	return net->ipv4.sysctl_tcp_syncookies;
}

/* How long a listener's SYN queue may grow: as long as its accept queue, and
 * without SYN cookies no longer than three quarters of tcp_max_syn_backlog, but
 * for peers known to be alive (tcp_conn_request, 5.8 to 7.1). */
static __always_inline __u32 syn_limit(struct sock *sk)
{
	struct net *net = sk->__sk_common.skc_net.net;
	__u32 limit = sk->sk_max_ack_backlog, all = net->ipv4.sysctl_max_syn_backlog;

	all -= all >> 2;
	return syncookies_of(net) || limit < all ? limit : all;
}

static __always_inline void fill_syn_queue(struct event *e, struct sock *sk, struct tcp_sock *tp)
{
	struct request_sock_queue *queue = &tp->inet_conn.icsk_accept_queue;

	e->bytes_acked = (__u32)queue->qlen.counter | (__u64)syn_limit(sk) << 32;
	e->bytes_received = (__u32)queue->young.counter + 1ULL;
}

static __always_inline void peek_addresses(struct event *e, struct sock_common *skc)
{
	if (e->family == AF_INET6) {
		*(struct in6_addr *)e->saddr = peek(skc, skc_v6_rcv_saddr);
		*(struct in6_addr *)e->daddr = peek(skc, skc_v6_daddr);
	} else {
		*(__u32 *)e->saddr = peek(skc, skc_rcv_saddr);
		*(__u32 *)e->daddr = peek(skc, skc_daddr);
	}
}

/* What fill_common fills, by a pointer that the verifier does not follow. */
static __always_inline void peek_common(struct event *e, struct sock_common *skc)
{
	struct net *net = peek(skc, skc_net.net);

	e->sk = (__u64)skc;
	e->cookie = peek(skc, skc_cookie.counter);
	e->netns = peek(net, ns.inum);
	e->netns_cookie = field_exists(struct net, net_cookie) ? peek(net, net_cookie) : 0;
	e->dport = swap16(peek(skc, skc_dport));
	e->family = peek(skc, skc_family);
	clear16(e->saddr);
	clear16(e->daddr);
	peek_addresses(e, skc);
}

/* A mini-socket, likewise: around its timer, or below an MPTCP listener. */
static __always_inline void peek_timewait(struct event *e, struct tcp_timewait_sock *tw)
{
	struct sock_common *skc = &tw->tw_sk.__tw_common;

	clear_sock(e);
	e->time = bpf_ktime_get_boot_ns();
	peek_common(e, skc);
	e->sport = swap16(peek(tw, tw_sk.tw_sport));
	e->state = TCP_TIME_WAIT;
	e->snd_nxt = peek(skc, skc_tw_snd_nxt);
	e->rcv_nxt = peek(skc, skc_tw_rcv_nxt);
}

/* A request socket, likewise; e is zero. */
static __always_inline void peek_request(struct event *e, struct tcp_request_sock *treq)
{
	__u64 sent = peek(treq, snt_synack);
	__s64 age = bpf_ktime_get_ns() - sent * 1000;

	peek_common(e, &treq->req.req.__req_common);
	e->sport = peek(treq, req.req.__req_common.skc_num);
	e->state = TCP_NEW_SYN_RECV;
	e->extra = (__u64)peek(treq, req.req.__req_common.skc_listener);
	e->bytes_acked = sent && age > 0 ? age : 0;
	e->snd_nxt = peek(treq, snt_isn);
	e->rcv_nxt = peek(treq, rcv_isn);
	e->count = peek(treq, req.req.num_retrans);
}

/* A held socket behind a pointer that the verifier does not follow; e is zero but
 * for its family and its task. Of what fill_full fills it leaves out what the
 * inventory's own row of the socket has: queues, Fast Open, repair, MPTCP. */
static __always_inline void peek_sock(struct event *e, struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	unsigned long skc_flags = peek(sk, __sk_common.skc_flags);
	struct net *net = peek(sk, __sk_common.skc_net.net);

	e->sk = (__u64)sk;
	e->cookie = peek(sk, __sk_common.skc_cookie.counter);
	e->netns = peek(net, ns.inum);
	e->dport = swap16(peek(sk, __sk_common.skc_dport));
	peek_addresses(e, &sk->__sk_common);
	e->sport = swap16(peek(tp, inet_conn.icsk_inet.inet_sport));
	e->bytes_acked = peek(tp, bytes_acked);
	e->bytes_received = peek(tp, bytes_received);
	e->snd_una = peek(tp, snd_una);
	e->snd_nxt = peek(tp, snd_nxt);
	e->rcv_nxt = peek(tp, rcv_nxt);
	e->write_seq = peek(tp, write_seq);
	e->copied_seq = peek(tp, copied_seq);
	e->err = peek(sk, sk_err);
	e->err_soft = peek(sk, sk_err_soft);
	e->shutdown = peek(sk, sk_shutdown);
	e->retransmits = peek(tp, inet_conn.icsk_retransmits);
	e->probes = peek(tp, inet_conn.icsk_probes_out);
	e->state = peek(sk, __sk_common.skc_state);
	e->flags = FLAG_HAS_SOCKET;
	if (skc_flags & (1UL << SOCK_DONE))
		e->flags |= FLAG_DONE;
	if (skc_flags & (1UL << SOCK_KEEPOPEN))
		e->flags |= FLAG_KEEPOPEN;
	if ((skc_flags & (1UL << SOCK_LINGER)) && peek(sk, sk_lingertime) == 0)
		e->flags |= FLAG_LINGER0;
	if (peek(tp, linger2) < 0)
		e->flags |= FLAG_LINGER2_NEG;
	if (peek(tp, inet_conn.icsk_user_timeout))
		e->flags |= FLAG_USER_TIMEOUT;
}

#endif
