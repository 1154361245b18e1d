/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The life of the mini-sockets that hold TIME_WAIT, and FIN_WAIT2 of an orphan:
 * nothing traces them but their timer. These programs run for every timer of the
 * machine: the first comparison lets through only those of mini-sockets, and the
 * others are not counted. Whatever comes after it is in functions of their own, so
 * that it costs the other timers no registers to save.
 */
#ifndef TCPWATCH_TIMEWAIT_H
#define TCPWATCH_TIMEWAIT_H

/* The address of tw_timer_handler: what tells the timer of a mini-socket from
 * all others. The loader sets it before it attaches, from /proc/kallsyms or from
 * what the inventory met. */
volatile __u64 tw_handler;

/* What the code of a kernel function on the stack says of a cancelled timer:
 * enum tw_cause, or one of these. */
enum {
	TW_RECEIVED = 128, /* tcp_v4_rcv, tcp_v6_rcv: see cause_of */
	TW_KILLED, /* inet_twsk_deschedule_put: early, whoever called it */
	TW_REARMED, /* __inet_twsk_schedule, mod_timer_pending: a start follows */
	TW_EXPIRED, /* no function's: its time is over */
};

enum {
	TW_RANGES = 32, /* functions, some in two parts, and room */
	TW_FRAMES = 16, /* the caller that matters is the 7th to 10th */
	RUN_TIMERS_DEPTH = 2048, /* bytes of stack from its list to a program's context */
};

/* The code of one function. */
struct tw_range {
	__u64 start;
	__u32 size; /* 0 matches nothing */
	__u32 what;
};

/* Set by the loader before it attaches; all 0 where /proc/kallsyms hides addresses. */
volatile struct tw_range tw_ranges[TW_RANGES];

static __always_inline bool of_mini(struct timer_list *timer)
{
	return unlikely((__u64)timer->function == tw_handler);
}

/* The mini-socket around its timer. The verifier does not follow it. */
static __always_inline struct tcp_timewait_sock *mini_of(struct timer_list *timer)
{
	return (void *)timer - cb_offset(struct inet_timewait_sock, tw_timer);
}

/* DCCP's mini-sockets (up to 6.15) have the same handler. */
static __always_inline bool is_tcp_mini(struct tcp_timewait_sock *tw)
{
	struct proto *proto = peek(tw, tw_sk.__tw_common.skc_prot);
	char name[4] = {};

	bpf_probe_read_kernel(name, 3, __builtin_preserve_access_index(&proto->name)); /* TCP, TCPv6 */
	return name[0] == 'T' && name[1] == 'C' && name[2] == 'P';
}

/* An event of a mini-socket: reserved, filled, ready for what is special. */
static __always_inline struct event *begin_mini(struct counters *c, struct timer_list *timer, __u8 kind)
{
	struct tcp_timewait_sock *tw = mini_of(timer);

	if (!is_tcp_mini(tw)) {
		count(&c->filtered);
		return 0;
	}
	struct event *e = reserve(c);
	if (!e)
		return 0;
	peek_timewait(e, tw);
	clear_rest(e);
	e->old_state = peek(tw, tw_sk.tw_substate);
	e->kind = kind;
	return e;
}

static __noinline int mini_started(__u64 *ctx)
{
	struct timer_list *timer = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_TW_START];

	count(&c->seen);
	struct event *e = begin_mini(c, timer, KIND_TW_START);
	if (!e)
		return 0;
	__s64 left = timer->expires - bpf_jiffies64();
	e->extra = left > 0 ? left * tick_ns : 0;
	submit(e);
	return 0;
}

SEC("tp_btf/timer_start")
int tw_start(__u64 *ctx)
{
	return of_mini((void *)ctx[0]) ? mini_started(ctx) : 0;
}

static __noinline int mini_expired(__u64 *ctx)
{
	struct timer_list *timer = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_TW_EXPIRE];

	count(&c->seen);
	struct event *e = begin_mini(c, timer, KIND_TW_EXPIRE);
	if (e)
		submit(e);
	return 0;
}

SEC("tp_btf/timer_expire_entry")
int tw_expire(__u64 *ctx)
{
	return of_mini((void *)ctx[0]) ? mini_expired(ctx) : 0;
}

/* What the function around an address says of the cancelled timer. */
static __always_inline __u32 said_by(__u64 address)
{
	for (int i = 0; i < TW_RANGES; i++) {
		if (address - tw_ranges[i].start < tw_ranges[i].size)
			return tw_ranges[i].what;
	}
	return 0;
}

/*
 * Who took the timer off: the innermost function on the stack that says it, or
 * the caller of inet_twsk_deschedule_put. A cause counts only with the kill, as
 * tcp_timewait_state_process sets the timer too, and what lies between may be
 * gone from the stack by a tail call; inet_twsk_purge has the kill inlined.
 */
static __always_inline __u32 canceller(__u64 *ctx)
{
	__u64 stack[TW_FRAMES];
	__u32 who = 0;

	if (bpf_get_stack(ctx, stack, sizeof(stack), 0) < 0)
		return 0;
	for (int i = 0; i < TW_FRAMES; i++) {
		__u32 said = said_by(stack[i]);
		if (!said)
			continue;
		if (said == TW_KILLED) {
			who = TW_KILLED;
			continue;
		}
		if (who == TW_KILLED ? said <= TW_RECEIVED : said == TW_REARMED || said == TW_CAUSE_NETNS)
			who = said;
		break;
	}
	return who;
}

/*
 * tcp_timewait_state_process kills for an RST only. Of its verdicts,
 * TCP_TW_SYN is given in TIME_WAIT only and TCP_TW_RST in FIN_WAIT2 only (5.8 to
 * 7.1): for these two tcp_v4_rcv and tcp_v6_rcv kill.
 */
static __always_inline __u8 cause_of(__u32 who, __u8 substate)
{
	if (who == TW_RECEIVED)
		return substate == TCP_TIME_WAIT ? TW_CAUSE_SYN : TW_CAUSE_DATA;
	return who < TW_RECEIVED ? who : TW_CAUSE_UNKNOWN;
}

/*
 * Whether a timer is cancelled because it runs out: __run_timers has moved it to
 * a list on its stack, of which it is the first (5.8 to 7.1), and ctx is a little
 * further down on the same stack (bpf_trace_run1). All other timers are linked
 * from the wheel, or from the one before. Walking the stack instead would take
 * ten times as long, for each mini-socket. The address takes a way through memory,
 * as the verifier subtracts no pointers.
 */
static __always_inline bool runs_out(struct cpu *cpu, __u64 *ctx, struct timer_list *timer)
{
	volatile __u64 *stack = &cpu->stack;

	*stack = (__u64)ctx;
	return (__u64)timer->entry.pprev - *stack < RUN_TIMERS_DEPTH;
}

/* A timer that runs out is told of by its expiry, which follows, and one that is
 * set again by its start. */
static __noinline int mini_cancelled(__u64 *ctx)
{
	struct timer_list *timer = (void *)ctx[0];
	struct cpu *cpu = this_cpu();
	if (!cpu)
		return 0;
	struct counters *c = &cpu->program[PROGRAM_TW_CANCEL];

	count(&c->seen);
	__u32 who = runs_out(cpu, ctx, timer) ? TW_EXPIRED : canceller(ctx);
	if (who == TW_EXPIRED || who == TW_REARMED) {
		count(&c->filtered);
		return 0;
	}
	struct event *e = begin_mini(c, timer, KIND_TW_CANCEL);
	if (!e)
		return 0;
	e->count = cause_of(who, e->old_state);
	submit(e);
	return 0;
}

SEC("tp_btf/timer_cancel")
int tw_cancel(__u64 *ctx)
{
	return of_mini((void *)ctx[0]) ? mini_cancelled(ctx) : 0;
}

#endif
