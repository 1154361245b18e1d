package probe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/bpf"
)

// Feature is something that some kernels offer and others do not.
type Feature int

// The features, in the order of the table.
const (
	SockFromFile Feature = iota
	SkStorage
	TaskBTF
	CookieHelper
	NetnsCookie
	BatchedIter
	SkipsNested
	ResetReason
	RetransmitErr
	NumFeatures
)

// feature is how to find out about a Feature, and what it means.
type feature struct {
	name    string
	since   string // the commit and the version that brought it
	shows   string // what it is for
	instead string // what is done without it
	// loses is what is not seen without it, "" if the substitute is as good.
	// matters says that every run must tell, not only doctor.
	loses   string
	matters bool

	constant string                 // of the programs, "" if they do not ask
	read     func(*btf.Spec) Answer // from the kernel's types
	attempt  func(*btf.Cache) error // loads a program that needs it; nil if none can tell
}

// features never ask for a version: distributions port features back.
var features = [NumFeatures]feature{
	SockFromFile: {
		name: "sockets of files", since: "bpf_sock_from_file, 4f19cab76136, 5.11",
		shows: "who holds which socket", instead: "the file's inode and private_data are read",
		constant: bpf.TcpwatchVarHasSockFromFile, read: function("bpf_sock_from_file"), attempt: trySockFromFile,
	},
	SkStorage: {
		name: "socket storage", since: "bpf_sk_storage_get in tracing programs, 8e4597c627fb, 5.11",
		shows: "the owner a child inherits from its listener", instead: "listeners are remembered by their address",
		constant: bpf.TcpwatchVarHasSkStorage, read: function("bpf_sk_storage_get_tracing"), attempt: trySkStorage,
	},
	TaskBTF: {
		name: "typed current task", since: "bpf_get_current_task_btf, 3ca1032ab7ab, 5.11",
		shows: "whether a kernel thread acts", instead: "the task is read by bpf_probe_read_kernel",
		constant: bpf.TcpwatchVarHasCurrentTaskBtf, read: function("bpf_get_current_task_btf"), attempt: tryTaskBTF,
	},
	CookieHelper: {
		name: "socket cookies", since: "bpf_get_socket_cookie in tracing programs, c5dbb89fc2ac, 5.12",
		shows:   "the name ss -e prints after sk:",
		instead: "sockets are told apart by their address; those there at the start get a cookie from a socket dump",
		loses:   "the cookies of sockets made during the watch, until something else asks for them", matters: true,
		constant: bpf.TcpwatchVarHasCookieHelper, read: function("bpf_get_socket_ptr_cookie"), attempt: tryCookieHelper,
	},
	NetnsCookie: {
		name: "network namespace cookies", since: "net.net_cookie set at the start, 3d368ab87cf6, 5.12",
		shows: "which network namespace, for ever", instead: "namespaces are told apart by inode number",
		loses: "the difference between a network namespace and a later one with the same inode number", matters: true,
		read: netnsCookie,
	},
	BatchedIter: {
		name: "consistent inventory", since: "struct bpf_tcp_iter_state, 04c7820b776f, 5.15",
		shows: "each socket once, whatever moves meanwhile", instead: "the sockets are walked twice",
		read: structure("bpf_tcp_iter_state"),
	},
	SkipsNested: {
		name: "nested programs skipped", since: "bpf_prog_inc_misses_counter, 05b24ff9b2cf, 6.1",
		shows: "a program never interrupts itself", instead: "it may, and counts atomically",
		constant: bpf.TcpwatchVarSkipsNested, read: function("bpf_prog_inc_misses_counter"),
	},
	ResetReason: {
		name: "reset reasons", since: "third argument of tcp_send_reset, b533fb9cf4f7, 6.10",
		shows: "why the kernel sent an RST, and those of no socket", loses: "why the kernel sent an RST",
		constant: bpf.TcpwatchVarHasResetReason, read: arguments("tcp_send_reset", 3), attempt: tryArgument("tcp_send_reset", 2),
	},
	RetransmitErr: {
		name: "failed retransmits", since: "third argument of tcp_retransmit_skb, ad892e912b84, 6.15 to 6.17",
		shows: "attempts to send again that failed", loses: "attempts to send again that failed",
		constant: bpf.TcpwatchVarHasRetransmitErr, read: arguments("tcp_retransmit_skb", 3), attempt: tryArgument("tcp_retransmit_skb", 2),
	},
}

// String returns the feature's name.
func (f Feature) String() string { return features[f].name }

// Features is what the running kernel offers.
type Features struct {
	Answers [NumFeatures]Answer
	Hooks   map[string]bool // tracepoints that programs can attach to
	// ResetReasons names the kernel's enum sk_rst_reason by value, without its
	// prefix; the numbers move between versions.
	ResetReasons map[uint32]string
}

// Has reports whether the kernel certainly offers f.
func (f *Features) Has(which Feature) bool { return f.Answers[which] == Yes }

// probeFeatures asks the kernel's types, and where they do not tell, the kernel.
func probeFeatures(kernel *btf.Spec, types *btf.Cache) Features {
	f := readFeatures(kernel)
	for i := range features {
		if f.Answers[i] == CannotTell {
			f.Answers[i] = features[i].try(types)
		}
	}
	return f
}

// readFeatures asks the kernel's types alone.
func readFeatures(kernel *btf.Spec) Features {
	f := Features{Hooks: map[string]bool{}, ResetReasons: resetReasons(kernel)}
	for i := range features {
		f.Answers[i] = features[i].read(kernel)
	}
	for _, p := range programs {
		f.Hooks[p.hook] = hookArgs(kernel, p.hook) > 0
	}
	return f
}

// losses returns what is not seen for want of a feature; all: also what only
// doctor need tell.
func (f *Features) losses(all bool) []Loss {
	var losses []Loss
	for i := range features {
		row := &features[i]
		if f.Answers[i] == Yes || row.loses == "" || !row.matters && !all {
			continue
		}
		losses = append(losses, Loss{row.loses, f.why(Feature(i))})
	}
	return losses
}

// Lacking returns what the running kernel does not let anybody see, by its types
// alone: no privilege is needed. file is as in Options.BTF.
func Lacking(file string) ([]Loss, error) {
	finding, kernel := typesFinding(file)
	if !finding.OK {
		return nil, errors.New(finding.Detail)
	}
	f := readFeatures(kernel)
	return f.losses(true), nil
}

// why says what is missing.
func (f *Features) why(which Feature) string {
	if f.Answers[which] == No {
		return "the kernel lacks " + features[which].since
	}
	return "cannot tell whether the kernel has " + features[which].since
}

// consequence says what becomes of what the feature is for.
func (f *feature) consequence() string {
	var parts []string
	if f.instead != "" {
		parts = append(parts, "instead, "+f.instead)
	}
	if f.loses != "" {
		parts = append(parts, "not seen: "+f.loses)
	}
	return strings.Join(parts, "; ")
}

// function asks for a function of the kernel. Types without any function, such
// as those stripped for CO-RE, do not tell.
func function(name string) func(*btf.Spec) Answer {
	return func(kernel *btf.Spec) Answer {
		const everywhere = "tcp_set_state"
		if !hasFunction(kernel, everywhere) {
			return CannotTell
		}
		return answer(hasFunction(kernel, name))
	}
}

func hasFunction(kernel *btf.Spec, name string) bool {
	var fn *btf.Func
	return kernel.TypeByName(name, &fn) == nil
}

func structure(name string) func(*btf.Spec) Answer {
	return func(kernel *btf.Spec) Answer {
		var s *btf.Struct
		return answer(kernel.TypeByName(name, &s) == nil)
	}
}

// netnsCookie looks for the plain number: an atomic one is 0 until asked for.
func netnsCookie(kernel *btf.Spec) Answer {
	var net *btf.Struct
	if kernel.TypeByName("net", &net) != nil {
		return CannotTell
	}
	for _, m := range net.Members {
		if m.Name == "net_cookie" {
			_, plain := btf.UnderlyingType(m.Type).(*btf.Int)
			return answer(plain)
		}
	}
	return No
}

// arguments asks whether a tracepoint passes at least n arguments.
func arguments(hook string, n int) func(*btf.Spec) Answer {
	return func(kernel *btf.Spec) Answer { return answer(hookArgs(kernel, hook) >= n) }
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
	names := make(map[uint32]string, len(enum.Values))
	for _, v := range enum.Values {
		if name, ok := strings.CutPrefix(v.Name, "SK_RST_REASON_"); ok && name != "" {
			names[uint32(v.Value)] = name
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
