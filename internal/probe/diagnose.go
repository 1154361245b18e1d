package probe

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// Finding is one thing that doctor looked at.
type Finding struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"` // without it nothing can be watched
	Detail   string `json:"detail"`
	Fix      string `json:"fix,omitempty"`
}

// Diagnose looks at everything that watching needs, in the order in which it
// is needed, and tries it.
func Diagnose(o Options) []Finding {
	findings := []Finding{kernelFinding()}
	caps, err := Effective()
	if err != nil {
		return append(findings, Finding{Name: "capabilities", Required: true, Detail: err.Error(), Fix: "mount /proc"})
	}
	for _, c := range []Capability{CapBPF, CapPerfmon} {
		findings = append(findings, capabilityFinding(caps, c, true, "loads the programs", GrantCommand()))
	}
	findings = append(findings, capabilityFinding(caps, CapSysAdmin, false,
		"enters other network namespaces for the inventory",
		"sudo, or without it: only sockets held by a visible fd are found in other namespaces"))
	types, kernel := typesFinding(o.BTF)
	findings = append(findings, types)
	if !types.OK {
		return findings
	}
	if len(Missing(caps)) > 0 {
		return append(findings, featureFindings(readFeatures(kernel))...)
	}
	return append(findings, loadFindings(o)...)
}

// Usable reports whether nothing required is missing.
func Usable(findings []Finding) bool {
	for _, f := range findings {
		if f.Required && !f.OK {
			return false
		}
	}
	return true
}

func kernelFinding() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Finding{Name: "kernel", OK: true, Detail: "unknown: " + err.Error()}
	}
	return Finding{Name: "kernel", OK: true, Detail: fmt.Sprintf("Linux %s %s",
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))}
}

func capabilityFinding(caps Capabilities, c Capability, required bool, what, fix string) Finding {
	f := Finding{Name: c.String(), OK: caps.Has(c), Required: required, Detail: what}
	if c == CapSysAdmin {
		f.OK = uint64(caps)&(1<<c) != 0
	}
	if !f.OK {
		f.Detail = "missing: " + what
		f.Fix = fix
	}
	return f
}

// typesFinding reads the kernel's types.
func typesFinding(file string) (Finding, *btf.Spec) {
	f := Finding{Name: "BTF", Required: true, Detail: BTFPath}
	var kernel *btf.Spec
	var err error
	if file != "" {
		f.Detail = file
		var raw []byte
		if raw, err = ReadTypes(file); err == nil {
			kernel, err = btf.LoadSpecFromReader(bytes.NewReader(raw))
		}
	} else if _, err = os.Stat(BTFPath); err == nil {
		kernel, err = btf.LoadKernelSpec()
	}
	if err != nil {
		f.Detail = "missing: the kernel's type information (" + err.Error() + ")"
		f.Fix = showBTF
		return f, nil
	}
	f.OK = true
	return f, kernel
}

func featureFindings(have Features) []Finding {
	var findings []Finding
	seen := map[string]bool{}
	for _, p := range programs {
		if seen[p.hook] {
			continue
		}
		seen[p.hook] = true
		f := Finding{Name: "tracepoint " + p.hook, OK: have.Hooks[p.hook], Required: p.required, Detail: "shows " + p.loses}
		if !f.OK {
			f.Detail = "missing: " + p.loses + " are not seen"
			f.Fix = "a newer kernel"
		}
		findings = append(findings, f)
	}
	for i := range features {
		row := &features[i]
		f := Finding{Name: row.name, OK: have.Has(Feature(i)), Detail: "shows " + row.shows}
		if !f.OK {
			f.Detail = have.why(Feature(i))
			f.Fix = row.consequence()
		}
		findings = append(findings, f)
	}
	return findings
}

// loadFindings loads and attaches the programs for real, and tells what this
// kernel offers.
func loadFindings(o Options) []Finding {
	o.RingSize = os.Getpagesize()
	p, err := Load(o)
	if err != nil {
		reason, fix, _ := strings.Cut(err.Error(), "\n")
		return []Finding{{Name: "programs", Required: true, Detail: reason, Fix: fix}}
	}
	defer p.Close()
	findings := append(featureFindings(p.Features), Finding{
		Name: "programs", OK: true, Required: true,
		Detail: "loaded, verified and attached to " + strings.Join(p.Attached(), ", "),
	})
	for _, loss := range p.Losses {
		findings = append(findings, Finding{Name: "not seen", Detail: loss.What, Fix: loss.Why})
	}
	return findings
}
