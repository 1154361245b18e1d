package metrics

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range families {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	e := emitter(ch)
	e.gauge(buildInfo, 1, m.o.Version, m.o.Revision, m.o.GoVersion)
	m.counts.collect(e)
	m.collectTable(e)
	m.collectPrograms(e)
	m.collectAlerts(e)
}

// emitter makes metrics. Label values are made visible here, all of them.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.send(d, prometheus.GaugeValue, v, labels)
}

func (e emitter) counter(d *prometheus.Desc, v uint64, labels ...string) {
	e.send(d, prometheus.CounterValue, float64(v), labels)
}

// seen is a counter that is shown once it has counted something.
func (e emitter) seen(d *prometheus.Desc, v *atomic.Uint64, labels ...string) {
	if n := v.Load(); n > 0 {
		e.counter(d, n, labels...)
	}
}

func (e emitter) histogram(d *prometheus.Desc, h *histogram, labels ...string) {
	if metric, ok := h.collect(d, labels...); ok {
		e <- metric
	}
}

func (e emitter) send(d *prometheus.Desc, t prometheus.ValueType, v float64, labels []string) {
	for i := range labels {
		labels[i] = printable.String(labels[i])
	}
	metric, err := prometheus.NewConstMetric(d, t, v, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d, err)
	}
	e <- metric
}

// stateName is a state as the contract prints it, in lower case.
func stateName(s model.State) string {
	if !s.Valid() {
		return "unknown"
	}
	return strings.ToLower(s.String())
}

func (c *counts) collect(e emitter) {
	e.counter(processed, c.processed.Load())
	e.histogram(eventLag, &c.lag)
	for from := range c.transitions {
		for to := range c.transitions[from] {
			e.seen(transitions, &c.transitions[from][to], stateName(model.State(from)), stateName(model.State(to)))
		}
		e.histogram(inState, &c.inState[from], stateName(model.State(from)))
	}
	for rule := range c.verdicts {
		for v := range c.verdicts[rule] {
			e.seen(verdicts, &c.verdicts[rule][v], model.Verdict(v).String(), model.Rule(rule).String())
		}
	}
	for role := range c.handshakes {
		e.seen(opened, &c.opened[role], model.Role(role).String())
		for how := range c.handshakes[role] {
			e.histogram(handshakes, &c.handshakes[role][how], model.Role(role).String(), outcomeNames[how])
		}
	}
	for reason := range c.closed {
		e.seen(closed, &c.closed[reason], model.CloseReason(reason).String())
	}
	// Few, and worth a zero: a rate needs one to start from.
	for i, direction := range [...]string{"sent", "received"} {
		e.counter(resets, c.resets[i].Load(), direction)
	}
	for kind := range c.retransmits {
		e.counter(retransmits, c.retransmits[kind].Load(), track.Segment(kind).String())
	}
}

func (m *Metrics) collectPrograms(e emitter) {
	if m.o.Programs == nil {
		return
	}
	var left uint64
	for _, p := range m.o.Programs() {
		e.gauge(attached, 1, p.Name)
		e.counter(seen, p.Seen, p.Name)
		left += p.Filtered
	}
	e.counter(filtered, left, "kernel")
}

func (m *Metrics) collectAlerts(e emitter) {
	if m.o.Alerts != nil {
		for _, a := range m.o.Alerts() {
			e.gauge(alerts, float64(a.Count), a.Rule, a.Status)
		}
	}
	if m.o.Sinks == nil {
		return
	}
	for _, s := range m.o.Sinks() {
		e.counter(notified, s.Sent, s.Sink, "sent")
		e.counter(notified, s.Failed, s.Sink, "failed")
		e.counter(notified, s.Dropped, s.Sink, "dropped")
		e.counter(notified, s.Dups, s.Sink, "duplicate")
		e.counter(notified, s.Retries, s.Sink, "retried")
	}
}

// collectTable tells of the table as it is now.
func (m *Metrics) collectTable(e emitter) {
	if m.o.Look == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	p := picture{grouped: m.o.Groups > 0}
	if err := m.o.Look(ctx, p.take); err != nil {
		e.gauge(tableRead, 0)
		return
	}
	e.gauge(tableRead, 1)
	p.collectStats(e)
	p.collectSockets(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups.collect(e, &p)
}
