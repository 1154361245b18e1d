package main

import (
	"fmt"
	"os"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/diag"
	"github.com/tcpwatch/tcpwatch/internal/nat"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// administration is what the network namespaces of the host are set to, each asked
// once.
type administration struct {
	own      netns.Namespace
	all      []netns.Namespace
	known    map[uint32]*waits.Settings
	bounds   map[uint32]boundPorts
	spending time.Duration // on bounds
}

type boundPorts struct {
	ports []uint16
	known bool
}

func newAdministration() *administration {
	a := &administration{known: map[uint32]*waits.Settings{}, bounds: map[uint32]boundPorts{}}
	a.own, _ = netns.Self()
	a.all, _, _ = netns.List() // without it, that of the own one is known
	return a
}

// settings implements waits.Options.Settings.
func (a *administration) settings(inum uint32) *waits.Settings {
	s, ok := a.known[inum]
	if !ok {
		_ = a.in(inum, func() (err error) {
			s, err = waits.ReadSettings(os.DirFS("/proc/sys/net/ipv4"))
			return err
		})
		a.known[inum] = s
	}
	return s
}

// bound implements waits.Options.Bound. Each namespace costs a walk of all sockets
// of the host: when that has taken longer than is reasonable, the rest is not known.
func (a *administration) bound(inum uint32) ([]uint16, bool) {
	const reasonable = 300 * time.Millisecond
	b, ok := a.bounds[inum]
	if !ok && a.spending < reasonable {
		began := time.Now()
		_ = a.in(inum, func() (err error) {
			b.ports, b.known, err = diag.Bound()
			return err
		})
		a.spending += time.Since(began)
	}
	a.bounds[inum] = b
	return b.ports, b.known
}

// nat implements waits.Options.NAT.
func (a *administration) nat(inum uint32) (all []waits.Translation, known bool) {
	if inum == 0 {
		inum = a.own.Inum
	}
	err := a.in(inum, func() error {
		found, err := nat.Read()
		for _, t := range found {
			all = append(all, waits.Translation{Opener: waits.End(t.Opener), Other: waits.End(t.Other)})
		}
		return err
	})
	return all, err == nil
}

// in runs f in a network namespace, if it can be entered.
func (a *administration) in(inum uint32, f func() error) error {
	if a.own.Inum == inum {
		return f()
	}
	for _, ns := range a.all {
		if ns.Inum == inum {
			return ns.In(f)
		}
	}
	return fmt.Errorf("enter network namespace %d: %w", inum, os.ErrNotExist)
}
