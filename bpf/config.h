/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the loader tells the programs. */
#ifndef TCPWATCH_CONFIG_H
#define TCPWATCH_CONFIG_H

/* Set by the loader before the programs are verified: a branch that is off is
 * not verified, so it may name what this kernel lacks. */
const volatile bool has_cookie_helper; /* bpf_get_socket_cookie in tracing: 5.12 */
const volatile bool has_sk_storage; /* socket storage in tracing: 5.11 */
const volatile bool has_current_task_btf; /* bpf_get_current_task_btf: 5.11 */
const volatile bool has_reset_reason; /* third argument of tcp_send_reset: 6.10 */
const volatile bool has_retransmit_err; /* third argument of tcp_retransmit_skb: 6.15 to 6.17 */
const volatile bool has_sock_from_file; /* bpf_sock_from_file: 5.11 */
const volatile bool may_read_memory; /* bpf_probe_read_kernel: not under lockdown=confidentiality */
const volatile bool skips_nested; /* a program never interrupts itself: 6.1 */
const volatile __u64 pidns_dev; /* 0: the initial pid namespace, no translation */
const volatile __u64 pidns_ino;
const volatile __u32 ancestor; /* events of its descendants are marked; 0: of nobody */
const volatile bool wants_stacks; /* of whoever connects or accepts */
const volatile bool wants_lives; /* one record for each life, see life.h */
const volatile __u32 nr_accept; /* this architecture's number of accept() */
const volatile __u32 nr_accept4;
const volatile __u64 tick_ns = 4000000; /* length of a jiffy */

#endif
