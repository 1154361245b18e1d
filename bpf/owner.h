/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who listens, remembered for the children: one that nobody has touched yet is
 * owned by whoever owns its listener.
 */
#ifndef TCPWATCH_OWNER_H
#define TCPWATCH_OWNER_H

struct owner {
	__u64 seen; /* ns since boot, when the pid was certainly this process's */
	__u32 pid;
	char comm[16];
	__u16 has_read; /* on a child: somebody has read from it, and is its owner */
	__u16 descends; /* from the ancestor */
};

/* On a listener. The kernel clones it into each child. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/* The same by the listener's address: where programs have no socket storage, and
 * for the subflow that listens below an MPTCP socket, which an fd names only by a
 * pointer that the verifier does not follow. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct owner);
} listeners SEC(".maps");

static __always_inline void set_owner(struct owner *o, struct event *e)
{
	o->seen = bpf_ktime_get_boot_ns();
	o->pid = e->pid;
	__builtin_memcpy(o->comm, e->comm, sizeof(o->comm));
	o->descends = !!(e->flags & FLAG_DESCENDANT);
}

/* Notes e's pid as that of the listener sk; found: unless one is noted. */
static __always_inline void note_by_storage(struct sock *sk, struct event *e, bool found)
{
	struct owner *o = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (o && !(found && o->pid))
		set_owner(o, e);
}

static __always_inline void note_by_address(__u64 sk, struct event *e, bool found)
{
	struct owner o = {};

	set_owner(&o, e);
	bpf_map_update_elem(&listeners, &sk, &o, found ? BPF_NOEXIST : BPF_ANY);
}

static __always_inline void note_listener(struct sock *sk, struct event *e, bool found)
{
	if (has_sk_storage)
		note_by_storage(sk, e, found);
	else
		note_by_address((__u64)sk, e, found);
}

static __always_inline void forget_listener(struct tcp_sock *tp)
{
	__u64 key = (__u64)tp;

	if (tp && (!has_sk_storage || is_mptcp(tp)))
		bpf_map_delete_elem(&listeners, &key);
}

/*
 * The listener of a newborn child. The child is still a plain copy of it: the
 * head of an empty list, which points to itself in the listener, still points
 * there (inet_csk_clone_lock sets the state, tcp_create_openreq_child then
 * initialises tsq_node; 5.8 to 7.1). If the listener was once connected and left
 * a queue, the head is poisoned: then no owner is found.
 */
static __always_inline __u64 listener_of(struct sock *sk)
{
	struct tcp_sock *child = (void *)sk;

	return (__u64)peek(child, tsq_node.next) -
	       __builtin_preserve_field_info(child->tsq_node, 0 /* BPF_FIELD_BYTE_OFFSET */);
}

/* The owner that a newborn child inherits, or 0; below says that its listener is a
 * subflow of MPTCP. */
static __always_inline struct owner *inherited(struct sock *sk, bool below)
{
	if (has_sk_storage) {
		struct owner *own = bpf_sk_storage_get(&owners, sk, 0, 0);
		if (own || !below || !may_read_memory)
			return own;
	}
	__u64 key = listener_of(sk);
	struct owner *o = bpf_map_lookup_elem(&listeners, &key);
	if (o && has_sk_storage) /* as if it had been cloned: first_read looks for it */
		bpf_sk_storage_get(&owners, sk, o, BPF_SK_STORAGE_GET_F_CREATE);
	return o;
}

#endif
