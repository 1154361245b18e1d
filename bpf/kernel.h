/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's types, cut down to the fields that tcpwatch reads. CO-RE finds
 * each field by name in the running kernel's BTF, so order and size here mean
 * nothing. What differs between versions is at the end.
 */
#ifndef TCPWATCH_KERNEL_H
#define TCPWATCH_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef _Bool bool;
enum { false, true };
typedef __u16 __be16;
typedef __u32 __be32;

enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
enum { SOCK_STREAM = 1 };
enum { PF_KTHREAD = 0x00200000 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };

enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
	SOCK_KEEPOPEN = 3,
	SOCK_LINGER = 4,
};

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NEW_SYN_RECV,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct netns_ipv4 {
	int sysctl_max_syn_backlog;
	int sysctl_tcp_syncookies; /* see netns_ipv4___5_13 */
};

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
	__u64 net_cookie; /* from 5.12; see the end */
};

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct proto {
	char name[32];
};
struct sock;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned char skc_net_refcnt : 1; /* 0: a socket of the kernel's own */
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
	struct proto *skc_prot;
	struct sock *skc_listener; /* of a request socket, in the place of skc_flags */
	__u32 skc_tw_rcv_nxt;
	__u32 skc_tw_snd_nxt;
};

struct socket;

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	__u16 sk_type;
	__u16 sk_protocol;
	__u8 sk_shutdown;
	int sk_err;
	int sk_err_soft;
	unsigned long sk_lingertime;
	struct socket *sk_socket;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct request_sock_queue {
	atomic_t qlen;
	atomic_t young;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
	__u8 icsk_retransmits;
	__u8 icsk_probes_out;
	__u32 icsk_user_timeout;
	struct {
		__u32 lrcvtime; /* jiffies of the newest data received */
	} icsk_ack;
	void *icsk_ulp_data; /* of an MPTCP subflow: struct mptcp_subflow_context */
};

struct request_sock;

struct list_head {
	struct list_head *next;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 write_seq;
	__u32 copied_seq;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 rcv_tstamp; /* jiffies of the newest ACK received, or any segment that has one */
	__u32 lsndtime; /* jiffies of the newest data sent */
	__u32 total_retrans; /* segments sent again; a child begins with its request's SYN-ACKs */
	__u32 retrans_stamp; /* SYN_SENT: when the first SYN went, on the clock of TCP timestamps */
	__u8 tcp_usec_ts : 1; /* see the end */
	int linger2;
	__u8 repair : 1;
	bool is_mptcp; /* see the end */
	struct request_sock *fastopen_rsk;
	struct list_head tsq_node;
};

/* What an fd of protocol MPTCP refers to: no tcp_sock, and above its subflows. */
struct mptcp_sock {
	struct sock *first; /* a subflow, of a listener the one that listens */
};

struct mptcp_subflow_context {
	struct sock *conn; /* the mptcp_sock */
};

struct hlist_node {
	struct hlist_node **pprev;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void *function;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	unsigned char tw_substate;
	__be16 tw_sport;
	struct timer_list tw_timer;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
};

struct request_sock {
	struct sock_common __req_common;
	__u8 num_retrans;
};

struct inet_request_sock {
	struct request_sock req;
};

struct tcp_request_sock {
	struct inet_request_sock req;
	__u64 snt_synack; /* us, CLOCK_MONOTONIC; 0: not sent yet */
	__u32 rcv_isn;
	__u32 snt_isn;
};

struct sk_buff {
	char cb[48];
};

struct tcp_skb_cb {
	__u32 seq;
	__u8 tcp_flags; /* see tcp_skb_cb___6_18 */
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct signal_struct {
	struct pid *pids[4]; /* by enum pid_type: 1 is PIDTYPE_TGID (4.19) */
};

struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *real_parent;
	char comm[16];
	struct signal_struct *signal;
	struct files_struct *files;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct socket {
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

/*
 * What differs between versions, all in one place. A flavour (___6_18) is what a
 * type above is from that version on: CO-RE drops the suffix, and field_size or
 * field_exists choose. What is looked for by field_exists alone:
 *
 *   net.net_cookie       u64 from 5.12. Before, an atomic64_t, which is 0 until
 *                        somebody asks and would change under us: not read.
 *   tcp_sock.is_mptcp    from 5.6, with CONFIG_MPTCP; so are mptcp_sock.first and
 *                        mptcp_subflow_context.conn.
 *   tcp_sock.tcp_usec_ts from 6.7: that clock ticks once a us instead of once a ms.
 *
 * The number of a system call is kept by each architecture in its own way.
 */

struct pt_regs___x86 {
	unsigned long orig_ax;
	unsigned long cs;
};

struct pt_regs___arm64 {
	__s32 syscallno;
	__u64 pstate;
};

struct netns_ipv4___5_13 {
	__u8 sysctl_tcp_syncookies;
};

struct tcp_skb_cb___6_18 {
	__u16 tcp_flags; /* AccECN took a ninth bit */
};

#pragma clang attribute pop

#endif
