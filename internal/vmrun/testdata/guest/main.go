// Command guest is what the boot tests run in a guest.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	profile := flag.String("test.coverprofile", "", "file to write")
	flag.Parse()
	if err := act(flag.Arg(0), *profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func act(what, profile string) error {
	switch what {
	case "look":
		return look(profile)
	case "exit":
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	case "deaf":
		signal.Ignore(syscall.SIGQUIT)
		time.Sleep(time.Hour)
	case "panic":
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	}
	return fmt.Errorf("do not know how to %q", what)
}

// look reports what the guest is made of.
func look(profile string) error {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	fmt.Printf("release %s", release)
	fmt.Println("VMRUN", os.Getenv("VMRUN"), "GREETING", os.Getenv("GREETING"))
	for _, path := range []string{
		"/sys/kernel/btf/vmlinux", "/sys/kernel/tracing/events/sock", "/sys/fs/bpf", "/dev/null", "testdata/file",
	} {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	modules, err := filepath.Glob("/sys/module/*")
	if err != nil {
		return err
	}
	for _, m := range modules {
		if filepath.Base(m) == "veth" {
			fmt.Println("veth is loaded")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	fmt.Println("connected in", wd)
	fmt.Fprintln(os.Stderr, "to stderr")
	if profile != "" {
		err = os.WriteFile(profile, []byte("mode: set\n"), 0o644)
	}
	if err != nil {
		return err
	}
	if out := os.Getenv("VMRUN_OUT"); out != "" {
		if err := os.WriteFile(filepath.Join(out, "note"), []byte("kept"), 0o644); err != nil {
			return err
		}
	}
	return c.Close()
}
