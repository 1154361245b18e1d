/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where in a program a connection was made its own. */
#ifndef TCPWATCH_STACK_H
#define TCPWATCH_STACK_H

enum { STACK_FRAMES = 48 };

/* Every stack once, however many connections share it. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1); /* set by the loader where stacks are wanted */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, STACK_FRAMES * sizeof(__u64));
} stacks SEC(".maps");

/* The user-space stack of current as an index + 1, or 0: there is none, or another
 * stack has its place in the map. */
static __always_inline __u64 stack_of(void *ctx)
{
	long id = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);

	return id < 0 ? 0 : id + 1;
}

#endif
