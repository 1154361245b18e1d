// Package alert decides when what happens to the sockets of a host is worth a
// person's attention: rules, shaped as Prometheus has them, over events, over
// inventories and over the watch itself.
package alert

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

// Status is whether an alert holds.
type Status string

const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// MaxTop is how many holders an alert tells.
const MaxTop = 5

// Holder is one process, or one group of sockets, that an alert is about.
type Holder struct {
	PID     uint32
	Comm    string // escaped, as everything that tcpwatch prints
	FD      int32  // -1 if none is known
	Count   int    // sockets, or events
	Example string // the two ends of one of them
	History string // of that one
}

// Alert is one instance of a rule: the rule, and one set of labels.
type Alert struct {
	Rule                string
	Status              Status
	Labels, Annotations map[string]string
	Value               float64
	StartsAt, EndsAt    time.Time // EndsAt is zero while it fires
	Lost                uint64    // events lost in its window: it rests on less than all
	Top                 []Holder  // the largest first, at most MaxTop
}

// Fingerprint tells an alert from all others; it stays the same while the alert
// fires, resolves, and fires again.
func (a *Alert) Fingerprint() uint64 {
	h := fnv.New64a()
	write := func(s string) {
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(len(s)))
		_, _ = h.Write(size[:])
		_, _ = h.Write([]byte(s))
	}
	write(a.Rule)
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		write(name)
		write(a.Labels[name])
	}
	return h.Sum64()
}

// Time is when the alert came to be what it is.
func (a *Alert) Time() time.Time {
	if a.Status == Resolved {
		return a.EndsAt
	}
	return a.StartsAt
}

// alertJSON is the `alert` line of the public contract.
type alertJSON struct {
	Event       string            `json:"event"`
	Time        string            `json:"time"`
	Mono        int64             `json:"mono_ns"`
	Rule        string            `json:"rule"`
	Status      Status            `json:"status"`
	Value       float64           `json:"value"`
	StartsAt    string            `json:"starts_at"`
	EndsAt      string            `json:"ends_at,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Lost        uint64            `json:"lost,omitempty"`
	Top         []holderJSON      `json:"top"`
}

type holderJSON struct {
	PID     uint32 `json:"pid,omitempty"`
	Comm    string `json:"comm,omitempty"`
	FD      *int32 `json:"fd,omitempty"`
	Count   int    `json:"count"`
	Example string `json:"example,omitempty"`
	History string `json:"history,omitempty"`
}

// Line is the alert as one line of JSON, without its end. booted is when the
// host's clock since boot was zero.
func (a *Alert) Line(booted time.Time) ([]byte, error) {
	j := alertJSON{
		Event: "alert", Time: a.Time().UTC().Format(time.RFC3339Nano), Mono: int64(a.Time().Sub(booted)), Rule: a.Rule, Status: a.Status, Value: a.Value,
		StartsAt: a.StartsAt.UTC().Format(time.RFC3339Nano),
		Labels:   a.Labels, Annotations: a.Annotations, Lost: a.Lost, Top: []holderJSON{},
	}
	if !a.EndsAt.IsZero() {
		j.EndsAt = a.EndsAt.UTC().Format(time.RFC3339Nano)
	}
	for i := range a.Top {
		h := &a.Top[i]
		k := holderJSON{PID: h.PID, Comm: h.Comm, Count: h.Count, Example: h.Example, History: h.History}
		if h.FD >= 0 {
			k.FD = &h.FD
		}
		j.Top = append(j.Top, k)
	}
	return json.Marshal(j)
}
