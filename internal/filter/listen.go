package filter

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Listen is how full a listener's queues are.
type Listen struct {
	AcceptQueue int `expr:"accept_queue"`
	AcceptLimit int `expr:"accept_limit"`
	SynQueue    int `expr:"syn_queue"`
	SynLimit    int `expr:"syn_limit"`
	SynYoung    int `expr:"syn_young"`
	Unaccepted  int `expr:"unaccepted"`
}

// Counters is what a listener's network namespace counted.
type Counters struct {
	ListenOverflows  int `expr:"listen_overflows"`
	ListenDrops      int `expr:"listen_drops"`
	SyncookiesSent   int `expr:"syncookies_sent"`
	SyncookiesRecv   int `expr:"syncookies_recv"`
	SyncookiesFailed int `expr:"syncookies_failed"`
	ReqQFullCookies  int `expr:"req_q_full_do_cookies"`
	ReqQFullDrop     int `expr:"req_q_full_drop"`
	TimeWaitOverflow int `expr:"tw_overflow"`
	TimeWait         int `expr:"tw"`
	TimeWaitRecycled int `expr:"tw_recycled"`
	TimeWaitKilled   int `expr:"tw_killed"`
	EmbryonicRsts    int `expr:"embryonic_rsts"`
	AbortOnData      int `expr:"abort_on_data"`
	AbortOnClose     int `expr:"abort_on_close"`
	AbortOnMemory    int `expr:"abort_on_memory"`
	AbortOnTimeout   int `expr:"abort_on_timeout"`
	AbortOnLinger    int `expr:"abort_on_linger"`
	AbortFailed      int `expr:"abort_failed"`
}

// What is not known of a listener, or of what is none.
var (
	noListen   = Listen{-1, -1, -1, -1, -1, -1}
	noCounters = Counters{
		ListenOverflows:  -1,
		ListenDrops:      -1,
		SyncookiesSent:   -1,
		SyncookiesRecv:   -1,
		SyncookiesFailed: -1,
		ReqQFullCookies:  -1,
		ReqQFullDrop:     -1,
		TimeWaitOverflow: -1,
		TimeWait:         -1,
		TimeWaitRecycled: -1,
		TimeWaitKilled:   -1,
		EmbryonicRsts:    -1,
		AbortOnData:      -1,
		AbortOnClose:     -1,
		AbortOnMemory:    -1,
		AbortOnTimeout:   -1,
		AbortOnLinger:    -1,
		AbortFailed:      -1,
	}
)

// ofListener fills what only a listener found has.
func (f *Fields) ofListener(o *track.Observation) {
	q := o.Event.Queues()
	if q != (events.Queues{}) {
		f.Listen.AcceptQueue, f.Listen.AcceptLimit = int(q.Accept), int(q.AcceptLimit)
	}
	if q.Known {
		f.Listen.SynQueue, f.Listen.SynLimit, f.Listen.SynYoung = int(q.SYN), int(q.SYNLimit), int(q.Young)
	}
	if o.Listen == nil {
		return
	}
	f.Listen.Unaccepted = o.Listen.Unaccepted
	if counted := o.Listen.Counters; counted != nil {
		f.Counters.of(counted)
	}
}

func (c *Counters) of(counted *events.Counters) {
	for n, to := range [events.NumCounters]*int{
		events.ListenOverflows:  &c.ListenOverflows,
		events.ListenDrops:      &c.ListenDrops,
		events.SyncookiesSent:   &c.SyncookiesSent,
		events.SyncookiesRecv:   &c.SyncookiesRecv,
		events.SyncookiesFailed: &c.SyncookiesFailed,
		events.ReqQFullCookies:  &c.ReqQFullCookies,
		events.ReqQFullDrop:     &c.ReqQFullDrop,
		events.TimeWaitOverflow: &c.TimeWaitOverflow,
		events.TimeWait:         &c.TimeWait,
		events.TimeWaitRecycled: &c.TimeWaitRecycled,
		events.TimeWaitKilled:   &c.TimeWaitKilled,
		events.EmbryonicRsts:    &c.EmbryonicRsts,
		events.AbortOnData:      &c.AbortOnData,
		events.AbortOnClose:     &c.AbortOnClose,
		events.AbortOnMemory:    &c.AbortOnMemory,
		events.AbortOnTimeout:   &c.AbortOnTimeout,
		events.AbortOnLinger:    &c.AbortOnLinger,
		events.AbortFailed:      &c.AbortFailed,
	} {
		if value, ok := counted.Get(events.Counter(n)); ok {
			*to = int(value)
		}
	}
}
