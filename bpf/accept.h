/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who accepts a connection, and where in its program. No tracepoint of the network
 * tells, so the end of the system call does: loaded only where stacks are wanted,
 * as it runs at the end of every system call.
 */
#ifndef TCPWATCH_ACCEPT_H
#define TCPWATCH_ACCEPT_H

enum { X86_USER_CS = 0x33, ARM64_PSR_MODE32_BIT = 0x10, NO_SYSTEM_CALL = ~0 };

/* The number of the system call that ends. A program of 32 bits numbers its calls
 * in another way: NO_SYSTEM_CALL. */
static __always_inline __u32 system_call(void *regs)
{
	if (field_exists(struct pt_regs___x86, orig_ax)) {
		struct pt_regs___x86 *x86 = regs;
		return x86->cs == X86_USER_CS ? x86->orig_ax : NO_SYSTEM_CALL;
	}
	if (field_exists(struct pt_regs___arm64, syscallno)) {
		struct pt_regs___arm64 *arm64 = regs;
		return arm64->pstate & ARM64_PSR_MODE32_BIT ? NO_SYSTEM_CALL : arm64->syscallno;
	}
	return NO_SYSTEM_CALL;
}

/* The socket that an fd of current refers to, or 0. */
static __always_inline struct sock *sock_of_fd(__u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct files_struct *files = peek(task, files);
	struct fdtable *fdt = peek(files, fdt);
	struct file *file = 0;

	if (fd >= peek(fdt, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), peek(fdt, fd) + fd);
	struct inode *inode = peek(file, f_inode);
	if ((peek(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = peek(file, private_data);
	return peek(socket, sk);
}

SEC("tp_btf/sys_exit")
int accepted(__u64 *ctx)
{
	__u32 nr = system_call((void *)ctx[0]);
	__s64 fd = ctx[1];

	if (likely(nr != nr_accept && nr != nr_accept4) || fd < 0)
		return 0;
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_ACCEPTED];

	count(&c->seen);
	struct sock *sk = sock_of_fd(fd);
	if (!sk || peek(sk, sk_type) != SOCK_STREAM) {
		count(&c->filtered);
		return 0;
	}
	__u16 protocol = peek(sk, sk_protocol), family = peek(sk, __sk_common.skc_family);
	if (protocol == IPPROTO_MPTCP && field_exists(struct mptcp_sock, first)) {
		sk = peek((struct mptcp_sock *)sk, first);
		protocol = peek(sk, sk_protocol);
	}
	if (protocol != IPPROTO_TCP || (family != AF_INET && family != AF_INET6)) {
		count(&c->filtered);
		return 0;
	}
	struct event *e = reserve(c);
	if (!e)
		return 0;
	e->time = bpf_ktime_get_boot_ns();
	clear_sock(e);
	clear_rest(e);
	clear16(e->saddr);
	clear16(e->daddr);
	e->netns_cookie = 0;
	e->family = family;
	peek_sock(e, sk);
	e->flags |= FLAG_OWNED;
	fill_actor(e);
	e->kind = KIND_ACCEPT;
	e->extra = stack_of(ctx);
	submit(e);
	return 0;
}

#endif
