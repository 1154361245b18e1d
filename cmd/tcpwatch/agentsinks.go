package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/metrics"
	"github.com/tcpwatch/tcpwatch/internal/notify"
	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// sinkKind is a type of sink that a config may name.
type sinkKind struct {
	url    bool
	batch  int           // see notify.Options
	resend time.Duration // see notify.Options
	build  func(*sinkMaker) notify.Sink
}

// sinkMaker is what a sink is made from.
type sinkMaker struct {
	config *sinkConfig
	url    string
	secret string
	client *http.Client
	stderr io.Writer
	booted time.Time
}

var sinkKinds = map[string]sinkKind{
	"text":    {build: func(m *sinkMaker) notify.Sink { return &notify.Text{W: m.stderr} }},
	"json":    {build: func(m *sinkMaker) notify.Sink { return &notify.JSON{W: m.stderr, Booted: m.booted} }},
	"journal": {build: func(*sinkMaker) notify.Sink { return &notify.Journal{} }},
	"syslog": {build: func(m *sinkMaker) notify.Sink {
		return &notify.Syslog{Network: m.config.Network, Address: m.config.Address}
	}},
	"exec": {batch: 1, build: func(m *sinkMaker) notify.Sink {
		return &notify.Exec{Argv: m.config.Command, Booted: m.booted}
	}},
	"webhook": {url: true, build: func(m *sinkMaker) notify.Sink {
		return &notify.Webhook{URL: m.url, Secret: []byte(m.secret), Client: m.client}
	}},
	"slack": {url: true, build: func(m *sinkMaker) notify.Sink { return &notify.Slack{URL: m.url, Client: m.client} }},
	"alertmanager": {url: true, resend: notify.ResendEvery, build: func(m *sinkMaker) notify.Sink {
		return &notify.Alertmanager{URL: m.url, Client: m.client}
	}},
}

func sinkKindNames() string {
	return "alertmanager, exec, journal, json, slack, syslog, text or webhook"
}

// sinkSet is the sinks of an agent. A reload keeps those that it does not change:
// they know what they have told.
type sinkSet struct {
	stderr io.Writer
	booted time.Time

	mu      sync.Mutex // guards the rest
	queues  []*sinkQueue
	firing  map[uint64]alert.Alert // by fingerprint
	retired sync.WaitGroup
}

// sinkQueue is a sink that runs, and what it was made from.
type sinkQueue struct {
	*notify.Queue
	config      sinkConfig
	url, secret string
}

func (q *sinkQueue) madeFrom(m *sinkMaker) bool {
	return q.url == m.url && q.secret == m.secret && reflect.DeepEqual(q.config, *m.config)
}

// drainTime is how long a sink has to tell what waits when it ends.
const drainTime = 5 * time.Second

// maxFiring bounds the alerts that are known to fire.
const maxFiring = 10_000

// replace makes the sinks those of the config, or, where one cannot be made, changes
// nothing.
func (s *sinkSet) replace(configs []sinkConfig) error {
	makers := make([]*sinkMaker, len(configs))
	for i := range configs {
		m, err := s.maker(&configs[i])
		if err != nil {
			return err
		}
		makers[i] = m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.queues
	s.queues = nil
	for _, m := range makers {
		i := slices.IndexFunc(old, func(q *sinkQueue) bool { return q.madeFrom(m) })
		if i >= 0 {
			s.queues = append(s.queues, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		s.queues = append(s.queues, s.start(m))
	}
	for _, q := range old {
		s.retired.Go(func() { closeSoon(q) })
	}
	return nil
}

func (s *sinkSet) maker(c *sinkConfig) (*sinkMaker, error) {
	m := &sinkMaker{config: c, url: c.URL, stderr: s.stderr, booted: s.booted}
	if c.URLFile != "" {
		text, err := os.ReadFile(c.URLFile)
		if err != nil {
			return nil, fmt.Errorf("read url_file: %w", err)
		}
		m.url = strings.TrimSpace(string(text))
		if err := checkURL(m.url); err != nil {
			return nil, fmt.Errorf("%s: %w", c.URLFile, err)
		}
	}
	if c.SecretFile != "" {
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("read secret_file: %w", err)
		}
		m.secret = strings.TrimSpace(string(text))
	}
	return m, nil
}

func (s *sinkSet) start(m *sinkMaker) *sinkQueue {
	kind := sinkKinds[m.config.Type]
	if kind.url {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxConnsPerHost, transport.MaxIdleConns = 1, 1
		m.client = notify.NewClient(transport)
	}
	name := m.config.Name
	return &sinkQueue{notify.NewQueue(kind.build(m), notify.Options{
		Batch: kind.batch, Resend: kind.resend, Timeout: m.config.Timeout,
		Failed: func(_ string, err error) {
			fmt.Fprintf(s.stderr, "sink %s: %s\n", printable.String(name), printable.String(err.Error()))
		},
	}), *m.config, m.url, m.secret}
}

// tell hands alerts to all sinks. It never blocks.
func (s *sinkSet) tell(alerts []alert.Alert) {
	if len(alerts) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range alerts {
		id := alerts[i].Fingerprint()
		if alerts[i].Status != alert.Firing {
			delete(s.firing, id)
		} else if len(s.firing) < maxFiring {
			if s.firing == nil {
				s.firing = map[uint64]alert.Alert{}
			}
			s.firing[id] = alerts[i]
		}
	}
	for _, q := range s.queues {
		q.Notify(alerts)
	}
}

// resolve tells that whatever fires has ended: nobody watches it any more.
func (s *sinkSet) resolve(now time.Time) {
	s.mu.Lock()
	var over []alert.Alert
	for _, a := range s.firing {
		a.Status, a.EndsAt = alert.Resolved, now
		over = append(over, a)
	}
	s.mu.Unlock()
	s.tell(over)
}

// counts are what became of the alerts, for the metrics.
func (s *sinkSet) counts() []metrics.Notified {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]metrics.Notified, len(s.queues))
	for i, q := range s.queues {
		c := q.Counts()
		all[i] = metrics.Notified{Sink: q.config.Name, Sent: c.Sent, Failed: c.Failed, Dropped: c.Dropped, Dups: c.Duplicates, Retries: c.Retries}
	}
	return all
}

// alerts are how many fire, by rule.
func (s *sinkSet) alerts() (all []metrics.Alerts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, a := range s.firing {
		n[a.Rule]++
	}
	for _, rule := range slices.Sorted(maps.Keys(n)) {
		all = append(all, metrics.Alerts{Rule: rule, Status: string(alert.Firing), Count: n[rule]})
	}
	return all
}

// close gives all sinks the same short time to tell what waits.
func (s *sinkSet) close() {
	s.mu.Lock()
	queues := s.queues
	s.queues = nil
	s.mu.Unlock()
	for _, q := range queues {
		s.retired.Go(func() { closeSoon(q) })
	}
	s.retired.Wait()
}

func closeSoon(q *sinkQueue) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = q.Close(ctx) // what was not told is counted, and each error was told
}
