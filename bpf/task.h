/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who acts, and in which pid namespace: what a record says of tasks. */
#ifndef TCPWATCH_TASK_H
#define TCPWATCH_TASK_H

enum { MAX_PIDNS_LEVELS = 8 }; /* the kernel allows 32; containers nest one or two */

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

/* The task's pid in the pid namespace of tcpwatch, 0 if it has none there. */
static __always_inline __u32 tgid_of(struct task_struct *task)
{
	if (!pidns_ino)
		return task->tgid;
	struct pid *pid = task->signal->pids[1];
	unsigned int level = pid->level;
	for (int i = 0; i < MAX_PIDNS_LEVELS && i <= level; i++) {
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

enum { MAX_ANCESTORS = 16 };

/* Whether current is the ancestor's, or descends from it: the parent of an orphan
 * is the next process above that adopts orphans (PR_SET_CHILD_SUBREAPER). */
static __always_inline bool descends(void)
{
	if (!ancestor || !has_current_task_btf)
		return false;
	struct task_struct *task = bpf_get_current_task_btf();
	for (int i = 0; i < MAX_ANCESTORS; i++) {
		if (tgid_of(task) == ancestor)
			return true;
		task = task->real_parent;
	}
	return false;
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
	else if (descends())
		e->flags |= FLAG_DESCENDANT;
}

#endif
