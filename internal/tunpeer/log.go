package tunpeer

import (
	"sync"
	"time"
)

// maxLog is how many segments a log keeps.
const maxLog = 4096

// Entry is a segment in a log.
type Entry struct {
	Number     uint64        // counts the peer's entries from 0
	Since      time.Duration // since the peer was made
	FromKernel bool          // the kernel sent it; else the peer did
	Segment    Segment
	Note       string // what else was sent, if it was no segment: the segment is then what it quotes
}

// Stats count what went through a peer.
type Stats struct {
	Segments   uint64 // entries ever made
	Forgotten  uint64 // of them, those that the log had to give up for newer ones
	Malformed  uint64 // packets of the kernel's that did not parse
	OtherKinds uint64 // packets of the kernel's that were not TCP: neighbour and router discovery
}

// log keeps the newest segments in both directions.
type log struct {
	start time.Time

	mu      sync.Mutex
	entries []Entry // a ring once it is full: entry n is at n % maxLog
	stats   Stats
	changed chan struct{} // closed at the next entry
}

func newLog() *log { return &log{start: time.Now(), changed: make(chan struct{})} }

// add makes an entry, and wakes whoever waits for one.
func (l *log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Number, e.Since = l.stats.Segments, time.Since(l.start)
	if len(l.entries) < maxLog {
		l.entries = append(l.entries, e)
	} else {
		l.entries[e.Number%maxLog] = e
		l.stats.Forgotten++
	}
	l.stats.Segments++
	close(l.changed)
	l.changed = make(chan struct{})
}

// refuse counts a packet that is no segment.
func (l *log) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == ErrNotTCP {
		l.stats.OtherKinds++
	} else {
		l.stats.Malformed++
	}
}

// after returns the first entry that is not older than number and satisfies
// want, or a channel that is closed at the next entry. It also returns how many
// entries from number on are gone.
func (l *log) after(number uint64, want func(Entry) bool) (e Entry, ok bool, gone uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < l.stats.Forgotten {
		gone, number = l.stats.Forgotten-number, l.stats.Forgotten
	}
	for ; number < l.stats.Segments; number++ {
		if e := l.entries[number%maxLog]; want(e) {
			return e, true, gone, nil
		}
	}
	return Entry{}, false, gone, l.changed
}

// all returns the entries that are kept, in order, and the counts.
func (l *log) all() ([]Entry, Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := int(l.stats.Forgotten % maxLog)
	return append(append([]Entry{}, l.entries[oldest:]...), l.entries[:oldest]...), l.stats
}
