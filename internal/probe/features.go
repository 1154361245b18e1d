package probe

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// Features is what the running kernel offers, read from its BTF, never from
// its version number.
type Features struct {
	CookieHelper  bool // bpf_get_socket_cookie in tracing programs
	SkStorage     bool // socket storage in tracing programs
	SockFromFile  bool // bpf_sock_from_file
	TaskBTF       bool // bpf_get_current_task_btf, a cheaper way to look at the task
	ResetReason   bool // tcp_send_reset says why
	RetransmitErr bool // tcp_retransmit_skb reports failed attempts, with the error
	Hooks         map[string]bool
	// ResetReasons names the kernel's enum sk_rst_reason by value, without its
	// prefix; the numbers move between versions.
	ResetReasons map[uint32]string
}

// probeFeatures reads the features from a kernel's BTF.
func probeFeatures(kernel *btf.Spec) Features {
	f := Features{
		CookieHelper: hasFunc(kernel, "bpf_get_socket_ptr_cookie"),  // c5dbb89fc2ac, 5.12
		SkStorage:    hasFunc(kernel, "bpf_sk_storage_get_tracing"), // 8e4597c627fb, 5.11
		SockFromFile: hasFunc(kernel, "bpf_sock_from_file"),         // 4f19cab76136, 5.11
		TaskBTF:      hasFunc(kernel, "bpf_get_current_task_btf"),   // 3ca1032ab7ab, 5.11
		Hooks:        map[string]bool{},
	}
	for _, p := range programs {
		f.Hooks[p.hook] = hookArgs(kernel, p.hook) > 0
	}
	f.ResetReason = hookArgs(kernel, "tcp_send_reset") > 2       // 6.10
	f.RetransmitErr = hookArgs(kernel, "tcp_retransmit_skb") > 2 // ad892e912b84, 6.15 to 6.17
	f.ResetReasons = resetReasons(kernel)
	return f
}

func hasFunc(kernel *btf.Spec, name string) bool {
	var fn *btf.Func
	return kernel.TypeByName(name, &fn) == nil
}

// hookArgs returns how many arguments a BTF-typed tracepoint passes, 0 if the
// kernel has no such tracepoint. The typedef btf_trace_NAME is a pointer to a
// function whose first parameter is the tracepoint's own.
func hookArgs(kernel *btf.Spec, hook string) int {
	var def *btf.Typedef
	if kernel.TypeByName("btf_trace_"+hook, &def) != nil {
		return 0
	}
	ptr, ok := def.Type.(*btf.Pointer)
	if !ok {
		return 0
	}
	proto, ok := ptr.Target.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(proto.Params) - 1
}

func resetReasons(kernel *btf.Spec) map[uint32]string {
	var enum *btf.Enum
	if kernel.TypeByName("sk_rst_reason", &enum) != nil {
		return nil
	}
	const prefix = "SK_RST_REASON_"
	names := make(map[uint32]string, len(enum.Values))
	for _, v := range enum.Values {
		if len(v.Name) > len(prefix) && v.Name[:len(prefix)] == prefix {
			names[uint32(v.Value)] = v.Name[len(prefix):]
		}
	}
	return names
}

// ResetReasonName returns the kernel's name of a reset reason.
func (f *Features) ResetReasonName(reason uint32) string {
	if name, ok := f.ResetReasons[reason]; ok {
		return name
	}
	return fmt.Sprintf("unknown(%d)", reason)
}
