// Package demo makes harmless TCP connections on loopback, each living and
// dying in another way, so that there is something to look at.
package demo

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Options says what Run does. The zero Options run every scenario once over
// IPv4, at a pace at which a person can watch it.
type Options struct {
	// Rounds is how often to run the scenarios; below 1, once.
	Rounds int
	// Pause is how long a connection stays in a state worth seeing, and the
	// time between scenarios; 0 is 300 ms.
	Pause time.Duration
	// HalfClose is how long a half-closed connection stays so; 0 is 3 s.
	HalfClose time.Duration
	// IPv6 runs each scenario over ::1 too, if this machine has it.
	IPv6 bool
	// Only names the scenarios to run; empty is all of them.
	Only []string
	// Log, if not nil, is called for each connection, as soon as both addresses
	// are known, with those of the end that connects.
	Log func(scenario string, laddr, raddr netip.AddrPort)
}

const (
	defaultPause     = 300 * time.Millisecond
	defaultHalfClose = 3 * time.Second
)

// Run runs the scenarios one after the other, Rounds times or until ctx ends,
// which is no error. When it returns, everything it opened is closed; what the
// kernel keeps of it (TIME_WAIT, for a minute) remains. It returns an error for
// a name in Only that is no scenario, and when a connection did not do what it
// should.
func Run(ctx context.Context, o Options) error {
	scenarios, err := choose(o.Only)
	if err != nil {
		return err
	}
	stages, err := openStages(ctx, o.withDefaults())
	if err != nil {
		return err
	}
	defer closeStages(stages)
	for range max(1, o.Rounds) {
		if err := round(ctx, scenarios, stages); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Pause == 0 {
		o.Pause = defaultPause
	}
	if o.HalfClose == 0 {
		o.HalfClose = defaultHalfClose
	}
	return o
}

// round runs each scenario once on each stage.
func round(ctx context.Context, scenarios []Scenario, stages []*stage) error {
	for _, sc := range scenarios {
		for _, st := range stages {
			st.scenario = sc.Name
			if err := sc.run(ctx, st); err != nil {
				return fmt.Errorf("run scenario %s: %w", sc.Name, err)
			}
			if err := sleep(ctx, st.options.Pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose returns the scenarios of the given names, or all.
func choose(names []string) ([]Scenario, error) {
	all := Scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// sleep waits for d, or returns the error of ctx when that ends sooner.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
