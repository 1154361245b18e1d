package metrics

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Bounds of a scrape.
const (
	DefaultMaxSeries = 1000
	maxScrapes       = 4 // at once
	scrapeTimeout    = 10 * time.Second
	lookTimeout      = 2 * time.Second
)

// Options say where to look when somebody scrapes. A nil function leaves its families
// out.
type Options struct {
	Version, Revision, GoVersion string

	Now       func() uint64                            // the events' clock; nil on replay
	Look      func(context.Context, func(Table)) error // hands over the table, which stands still meanwhile
	Programs  func() []Program                         // of the kernel
	Sinks     func() []Notified                        // queues of alerts
	Alerts    func() []Alerts                          // that there are
	Groups    int                                      // processes to tell apart, 0 for none
	MaxSeries int                                      // in one scrape, DefaultMaxSeries if 0
	Process   bool                                     // tell of tcpwatch's own process, too
}

// Table is what is asked of a track.Table.
type Table interface {
	Time() uint64 // ns since boot
	Stats() track.Stats
	Capacity() int
	Each(yield func(*track.Row))
}

// Program is one kernel program, and what became of its events.
type Program struct {
	Name           string
	Seen, Filtered uint64
}

// Notified is what became of the alerts for one sink.
type Notified struct {
	Sink                                 string
	Sent, Failed, Dropped, Dups, Retries uint64
}

// Alerts is how many alerts of a rule have a status.
type Alerts struct {
	Rule, Status string
	Count        int
}

// Metrics counts observations, and tells of them.
type Metrics struct {
	o      Options
	counts counts

	mu     sync.Mutex // guards groups
	groups groups
}

var (
	_ track.Sink           = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// New returns Metrics that have counted nothing yet.
func New(o Options) *Metrics {
	if o.MaxSeries <= 0 {
		o.MaxSeries = DefaultMaxSeries
	}
	m := &Metrics{o: o, groups: groups{max: o.Groups}}
	m.counts.init()
	return m
}

// Gatherer returns what a scrape gathers: at most Options.MaxSeries, and a few that
// tell of those left out.
func (m *Metrics) Gatherer() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(m)
	if m.o.Process {
		r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return &capped{from: r, max: m.o.MaxSeries}
}

// Handler serves scrapes. A value that cannot be told is left out, and the rest is
// told. failed is told of it.
func (m *Metrics) Handler(failed promhttp.Logger) http.Handler {
	return promhttp.HandlerFor(m.Gatherer(), promhttp.HandlerOpts{
		ErrorLog: failed, ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	})
}
