package cgroup

import (
	"strings"
	"testing"
)

const id = "7f5fd3ea8a6a4aa4e0b9ea1ea4a1b5e1e08d44ab4d2c8a4b1d0c6e6a5c0f9b3d"

// Paths as runtimes make them, from their sources and from hosts that run them.
func TestParse(t *testing.T) {
	const pod = "pod8f2c6ab2-13ff-4c8f-b0a5-6d2cdcd0a1be"
	const podUnder = "pod8f2c6ab2_13ff_4c8f_b0a5_6d2cdcd0a1be"
	cases := []struct {
		name, text      string
		container, unit string
	}{
		{"nothing", "", "", ""},
		{"v2, no unit", "0::/\n", "", ""},
		{"v2, service", "0::/system.slice/nginx.service\n", "", "nginx.service"},
		{"v2, pid 1", "0::/init.scope\n", "", "init.scope"},
		{"v2, session", "0::/user.slice/user-1000.slice/session-3.scope\n", "", "session-3.scope"},
		{"v2, user service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service\n", "", "dbus.service"},
		{"v2, slice only", "0::/system.slice/system-getty.slice\n", "", "system-getty.slice"},
		{"v2, delegated below a service", "0::/system.slice/php.service/pool/www\n", "", "php.service"},
		{"v1, service", "12:pids:/system.slice/ssh.service\n4:cpu,cpuacct:/\n1:name=systemd:/system.slice/ssh.service\n", "", "ssh.service"},
		{"hybrid, systemd in v1 only", "2:cpu:/\n1:name=systemd:/system.slice/ssh.service\n0::/\n", "", "ssh.service"},
		{"Docker, cgroupfs, v1", "11:memory:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n0::/system.slice/containerd.service\n", id, "containerd.service"},
		{"Docker, cgroupfs, some hierarchies only", "11:memory:/docker/" + id + "\n1:name=systemd:/\n0::/\n", id, ""},
		{"Docker, cgroupfs, v2", "0::/docker/" + id + "\n", id, ""},
		{"Docker, systemd, v2", "0::/system.slice/docker-" + id + ".scope\n", id, "docker-" + id + ".scope"},
		{"Docker, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope\n", id, "docker-" + id + ".scope"},
		{"Docker, systemd inside", "0::/docker/" + id + "/system.slice/nginx.service\n", id, "nginx.service"},
		{"containerd, kubepods, cgroupfs", "4:cpu:/kubepods/burstable/" + pod + "/" + id + "\n", id, ""},
		{"containerd, kubepods, guaranteed", "0::/kubepods/" + pod + "/" + id + "\n", id, ""},
		{"containerd, kubepods, systemd", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + podUnder + ".slice/cri-containerd-" + id + ".scope\n", id, "cri-containerd-" + id + ".scope"},
		{"containerd, cgroupfs, systemd's path", "1:name=systemd:/system.slice/containerd.service/kubepods-besteffort-" + podUnder + ".slice:cri-containerd:" + id + "\n", id, "containerd.service"},
		{"CRI-O, systemd", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-" + podUnder + ".slice/crio-" + id + ".scope/container\n", id, "crio-" + id + ".scope"},
		{"CRI-O, cgroupfs", "0::/kubepods/besteffort/" + pod + "/crio-" + id + "\n", id, ""},
		{"CRI-O, conmon is in no container", "0::/kubepods.slice/crio-conmon-" + id + ".scope\n", "", "crio-conmon-" + id + ".scope"},
		{"kind: a node in Docker, the innermost counts", "0::/docker/" + strings.Repeat("ab", 32) + "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" + id + ".scope\n", id, "cri-containerd-" + id + ".scope"},
		{"Podman, rootful", "0::/machine.slice/libpod-" + id + ".scope/container\n", id, "libpod-" + id + ".scope"},
		{"Podman, in a pod", "0::/machine.slice/machine-libpod_pod_" + strings.Repeat("cd", 32) + ".slice/libpod-" + id + ".scope\n", id, "libpod-" + id + ".scope"},
		{"Podman, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container\n", id, "libpod-" + id + ".scope"},
		{"Podman, cgroupfs", "0::/libpod_parent/libpod-" + id + "\n", id, ""},
		{"Podman, --cgroups=split", "0::/system.slice/web.service/libpod-payload-" + id + "\n", id, "web.service"},
		{"Podman, conmon is in no container", "0::/machine.slice/libpod-conmon-" + id + ".scope\n", "", "libpod-conmon-" + id + ".scope"},
		{"nerdctl, systemd", "0::/system.slice/nerdctl-" + id + ".scope\n", id, "nerdctl-" + id + ".scope"},
		{"nerdctl, cgroupfs", "0::/default/" + id + "\n", id, ""},
		{"LXC, v1", "1:name=systemd:/lxc/web-1/system.slice/ssh.service\n", "web-1", "ssh.service"},
		{"LXC 4", "0::/lxc.payload.web-1/init.scope\n", "web-1", "init.scope"},
		{"LXC, early 4", "0::/lxc.payload/web-1\n", "web-1", ""},
		{"LXC, the monitor is in no container", "0::/lxc.monitor.web-1\n", "", ""},
		{"nspawn, scope", `0::/machine.slice/machine-my\x2dbox.scope/payload/system.slice/cron.service` + "\n", "my-box", "cron.service"},
		{"nspawn, service", "0::/machine.slice/systemd-nspawn@box.service/payload\n", "box", "systemd-nspawn@box.service"},
		{"a virtual machine is no container", `0::/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator` + "\n", "", `machine-qemu\x2d1\x2dvm.scope`},
		{"from within a cgroup namespace", "0::/../../docker-" + id + ".scope\n", id, "docker-" + id + ".scope"},
		{"a cgroup that was removed", "0::/system.slice/docker-" + id + ".scope (deleted)\n", id, "docker-" + id + ".scope"},
		{"no id: too short", "0::/system.slice/docker-abc.scope\n", "", "docker-abc.scope"},
		{"no id: not hexadecimal", "0::/docker/" + strings.Repeat("xy", 32) + "\n", "", ""},
		{"no id: 32 digits of somebody", "0::/batch/" + id[:32] + "\n", "", ""},
		{"a colon in the path", "0::/a:b/docker-" + id + ".scope\n", id, "docker-" + id + ".scope"},
		{"garbage", "0:\n::\n:::\nx\n\n0::\n", "", ""},
		{"escape cut short", `0::/machine.slice/machine-a\x2.scope` + "\n", `a\x2`, `machine-a\x2.scope`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Parse(c.text); got != (Place{c.container, c.unit}) {
				t.Errorf("%+v, want container %q, unit %q", got, c.container, c.unit)
			}
		})
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{id: id[:12], "web-1": "web-1", "": "", "deadbeef": "deadbeef"} {
		if got := Short(in); got != want {
			t.Errorf("Short(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCgroupPaths(f *testing.F) {
	f.Add("0::/system.slice/docker-" + id + ".scope\n1:name=systemd:/lxc/a\n")
	f.Add(`0::/machine.slice/machine-\x2d\xff\x.scope`)
	f.Fuzz(func(t *testing.T, text string) {
		p := Parse(text)
		if len(p.Container) > maxName || len(p.Unit) > maxName {
			t.Errorf("names of %d and %d bytes, want at most %d", len(p.Container), len(p.Unit), maxName)
		}
		if strings.Contains(p.Unit, "/") {
			t.Errorf("unit %q holds a slash", p.Unit)
		}
		if s := Short(p.Container); !strings.HasPrefix(p.Container, s) {
			t.Errorf("%q is short for %q", s, p.Container)
		}
	})
}
