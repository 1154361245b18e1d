/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The helpers that tcpwatch calls, by their numbers in include/uapi/linux/bpf.h,
 * and the few macros around them. Self-contained, so that the objects do not
 * depend on the version of an installed header.
 */
#ifndef TCPWATCH_HELPERS_H
#define TCPWATCH_HELPERS_H

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() asm volatile("" ::: "memory")

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_F_NO_PREALLOC = 1 << 0,
	BPF_F_CLONE = 1 << 9,
	BPF_F_MMAPABLE = 1 << 10,
};

enum { BPF_ANY, BPF_NOEXIST };
enum { BPF_F_USER_STACK = 1 << 8 };
enum { BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

struct bpf_pidns_info {
	__u32 pid;
	__u32 tgid;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static __u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*bpf_get_current_comm)(void *buf, __u32 size) = (void *)16;
static long (*bpf_get_stackid)(void *ctx, void *map, __u64 flags) = (void *)27;
static __u64 (*bpf_get_current_task)(void) = (void *)35;
static __u64 (*bpf_get_socket_cookie)(void *sk) = (void *)46;
static long (*bpf_get_stack)(void *ctx, void *buf, __u32 size, __u64 flags) = (void *)67;
static void *(*bpf_sk_storage_get)(void *map, void *sk, void *value, __u64 flags) = (void *)107;
static long (*bpf_probe_read_kernel)(void *dst, __u32 size, const void *src) = (void *)113;
static __u64 (*bpf_jiffies64)(void) = (void *)118;
static long (*bpf_get_ns_current_pid_tgid)(__u64 dev, __u64 ino, struct bpf_pidns_info *info,
					   __u32 size) = (void *)120;
static __u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_seq_write)(struct seq_file *m, const void *data, __u32 len) = (void *)127;
static void *(*bpf_ringbuf_reserve)(void *ringbuf, __u64 size, __u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static struct tcp_sock *(*bpf_skc_to_tcp_sock)(void *sk) = (void *)137;
static struct tcp_timewait_sock *(*bpf_skc_to_tcp_timewait_sock)(void *sk) = (void *)138;
static struct tcp_request_sock *(*bpf_skc_to_tcp_request_sock)(void *sk) = (void *)139;
static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static struct socket *(*bpf_sock_from_file)(struct file *file) = (void *)162;

/* Whether the running kernel has the field: resolved at load time. */
#define field_exists(type, field) \
	__builtin_preserve_field_info(((type *)0)->field, 2 /* BPF_FIELD_EXISTS */)

/* The size of a field in the running kernel. */
#define field_size(type, field) \
	__builtin_preserve_field_info(((type *)0)->field, 1 /* BPF_FIELD_BYTE_SIZE */)

/* The value of a field behind a pointer that the verifier does not follow, 0 if
 * it cannot be read. */
#define peek(ptr, field)                                                             \
	({                                                                           \
		typeof((ptr)->field) value;                                          \
		bpf_probe_read_kernel(&value, sizeof(value),                         \
				      __builtin_preserve_access_index(&(ptr)->field)); \
		value;                                                               \
	})

/* The value of a one-byte bitfield of a BTF pointer, wherever it moved to. */
#define bit(ptr, field)                                                                     \
	({                                                                                  \
		const void *at =                                                            \
			(const void *)(ptr) + __builtin_preserve_field_info((ptr)->field, 0); \
		__u64 raw = 0;                                                              \
		switch (__builtin_preserve_field_info((ptr)->field, 1)) {                   \
		case 1: raw = *(const __u8 *)at; break;                                     \
		case 2: raw = *(const __u16 *)at; break;                                    \
		case 4: raw = *(const __u32 *)at; break;                                    \
		case 8: raw = *(const __u64 *)at; break;                                    \
		}                                                                           \
		raw <<= __builtin_preserve_field_info((ptr)->field, 4);                     \
		raw >>= __builtin_preserve_field_info((ptr)->field, 5);                     \
		raw;                                                                        \
	})

#define swap16(x) ((__u16)__builtin_bswap16(x))

#endif
