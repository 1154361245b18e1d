package probe

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
	"github.com/tcpwatch/tcpwatch/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const storiesGolden = "testdata/stories.golden"

// phrase is what a story says of an observation, empty where that depends on the
// kernel's version or on chance.
func phrase(o *track.Observation) string {
	ev := &o.Event
	switch ev.Kind {
	case events.Transition:
		text := ev.From.String() + ">" + ev.To.String()
		if o.Judgement.Verdict != model.Normal {
			text += " (" + o.Judgement.Verdict.String() + " " + o.Judgement.Rule.String() + ")"
		}
		return text
	case events.Retransmit, events.SynAck:
		if ev.Err != 0 {
			return "" // told of from Linux 6.15 on
		}
		return "[" + strings.TrimSpace(o.Segment.String()+" again "+ev.Again().String()) + "]"
	case events.ResetSent:
		if ev.To == model.TimeWait {
			return "" // told of from Linux 6.10 on
		}
		return "[RST sent]"
	case events.ResetReceived:
		return "[reset]"
	case events.Mini:
		if !o.MiniEnded {
			return "then a mini-socket waits" // in FIN_WAIT2, or in TIME_WAIT already when it is told of
		}
		end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
		return "then " + end.String() + ", " + o.Judgement.Verdict.String()
	case events.Closed:
		return endOf(o)
	}
	return ""
}

// lasting is how long something took: another time each time.
var lasting = regexp.MustCompile(` over [0-9.]+ m?s`)

func endOf(o *track.Observation) string {
	s := o.Socket
	if s.Open() {
		return ""
	}
	text := s.End.Reason.String()
	if by := s.End.By.String(); by != "" {
		text += " by " + by
	}
	text += ": " + s.End.Verdict.String() + ", " + s.End.Rule.String()
	if seen := s.AppendSeen(nil); len(seen) > 0 {
		text += ". Seen: " + lasting.ReplaceAllString(string(seen), "")
	}
	return text
}

// story tells the lives of a play, as far as it went. What tidies up after it is no
// part of it.
func (p *played) story(r recording) string {
	type life struct {
		role       model.Role
		steps, end []string
	}
	lives := map[uint64]*life{}
	for _, e := range r[p.netns] {
		if e.Time < p.began || e.Time > p.end || e.phrase == "" {
			continue
		}
		l := lives[e.id]
		if l == nil {
			l = &life{}
			lives[e.id] = l
		}
		l.role = e.role
		switch e.Kind {
		case events.Closed, events.Mini:
			l.end = append(l.end, "  "+e.phrase)
		default:
			l.steps = append(l.steps, e.phrase)
		}
	}
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(lives)) {
		l := lives[id]
		role := l.role.String()
		if id == 0 {
			role = "request"
		}
		fmt.Fprintf(&b, "%s: %s\n", role, strings.Join(l.steps, " "))
		for _, line := range l.end {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// again is how often segments were sent again, by kind.
type again struct{ syn, synack, fin, data uint32 }

// sentAgain counts them as the peer saw them.
func sentAgain(log []tunpeer.Entry) (n again) {
	syn, synack, fin := map[uint32]uint32{}, map[uint32]uint32{}, map[uint32]uint32{}
	var next uint32 // after the newest data of this connection
	for _, e := range log {
		s := &e.Segment
		last := s.Seq + s.Len() - 1
		switch f := s.Flags; {
		case !e.FromKernel || e.Note != "" || f&tunpeer.RST != 0:
		case f&tunpeer.SYN != 0:
			seen, count := syn, &n.syn
			if f&tunpeer.ACK != 0 {
				seen, count = synack, &n.synack
			}
			*count += min(seen[s.Seq], 1)
			seen[s.Seq]++
			next = s.Seq + s.Len()
		case f&tunpeer.FIN != 0:
			n.fin += min(fin[last], 1)
			fin[last]++
			next = max(next, last+1) // numbers of the kernel's do not wrap within one play but by chance
		case len(s.Payload) > 0:
			if int32(s.Seq-next) < 0 {
				n.data++
			}
			if int32(s.Seq+s.Len()-next) > 0 {
				next = s.Seq + s.Len()
			}
		}
	}
	return n
}

// told counts them as they were told of until a time.
func (p *played) toldAgain(r recording, until uint64) (n again) {
	for _, e := range r[p.netns] {
		if e.Time < p.began || e.Time > until || e.Err != 0 {
			continue
		}
		switch e.Kind {
		case events.SynAck:
			n.synack++
		case events.Retransmit:
			*[...]*uint32{track.SegmentData: &n.data, track.SegmentSYN: &n.syn, track.SegmentSYNACK: &n.synack, track.SegmentFIN: &n.fin}[e.segment]++
		}
	}
	return n
}

// checkAgain compares what was sent again with what the peer saw of it, and returns
// how many of these are missing. What is told of just before the log was read, or just
// after, may be in it or not.
func (p *played) checkAgain(t *testing.T, r recording) (missing int) {
	t.Helper()
	least, most := p.toldAgain(r, p.end-settling).kinds(), p.toldAgain(r, p.end+settling).kinds()
	for i, saw := range p.again.kinds() {
		if saw < least[i] {
			t.Errorf("%s: the peer saw %+v sent again, told are %v (SYN, SYN-ACK, FIN, data)", p.name, p.again, least)
		}
		if saw > most[i] {
			t.Logf("%s: the peer saw %+v sent again, told are %v (SYN, SYN-ACK, FIN, data)", p.name, p.again, most)
			missing += int(saw - most[i])
		}
	}
	return missing
}

// settling is how long a segment may take from its event to the peer, in ns.
const settling = 50e6

func (n again) kinds() [4]uint32 { return [...]uint32{n.syn, n.synack, n.fin, n.data} }

// Every life of every scenario is told as the golden file has it, over both
// families: its path, what was sent again and why, its resets, its end, by whom, the
// verdict, and what became of its mini-socket. A machine that sleeps over a timer
// makes the kernel send something once more, so a story that differs is told again.
func checkStories(t *testing.T, plays []played, r recording) {
	t.Helper()
	told := tellAll(plays, r)
	if *update {
		writeStories(t, told)
		return
	}
	want := readStories(t)
	other := otherwise(plays, r, want)
	for range 3 {
		if len(other) == 0 {
			break
		}
		t.Logf("%d were told otherwise, and are told again", len(other))
		r = recording{}
		f := follow(t, load(t, Options{NoInventory: true, TimeWait: TimeWaitTimers}), r)
		plays = replay(t, other)
		f.stop(t)
		other = otherwise(plays, r, want)
	}
	for i := range other {
		p := &other[i]
		t.Errorf("%s tells:\n%s\nwant:\n%s", p.name, p.story(r), want[p.script.Name])
	}
	for name := range want {
		if told[name] == nil {
			t.Errorf("the story of %s is in %s, and nobody played it", name, storiesGolden)
		}
	}
}

type stories map[string]map[kerneltest.Family]string

func tellAll(plays []played, r recording) stories {
	told := stories{}
	for i := range plays {
		p := &plays[i]
		if told[p.script.Name] == nil {
			told[p.script.Name] = map[kerneltest.Family]string{}
		}
		told[p.script.Name][p.family] = p.story(r)
	}
	return told
}

// same compares stories. In an emulated guest a program may take longer to start than
// the timers run, and Linux 6.5 changed how often a SYN goes: how often something was
// sent again is left to checkAgain there, and an RST may come later than ends wait for.
func same(a, b string) bool {
	if kerneltest.Guest() == "" {
		return a == b
	}
	return uncounted(a) == uncounted(b)
}

var (
	afterTimeout = regexp.MustCompile(`request: \[synack again\]\n| \[\w+ again( rto)?\]|[\w-]+ retransmitted (once|\d+ times)(, )?|RST sent in \w+(, )?|\d+ probes? unanswered(, )?`)
	nothingSeen  = regexp.MustCompile(`\. Seen: \n`)
)

func uncounted(story string) string {
	return nothingSeen.ReplaceAllString(afterTimeout.ReplaceAllString(story, ""), "\n")
}

// otherwise returns those plays whose story is not as wanted.
func otherwise(plays []played, r recording, want map[string]string) (other []played) {
	for i := range plays {
		if p := &plays[i]; !same(p.story(r), want[p.script.Name]) {
			other = append(other, *p)
		}
	}
	return other
}

// replay plays the same scenarios over the same families.
func replay(t *testing.T, plays []played) (again []played) {
	t.Helper()
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		var scripts []*tunpeer.Script
		for i := range plays {
			if plays[i].family == family {
				scripts = append(scripts, plays[i].script)
			}
		}
		again = append(again, playAll(t, scripts, family)...)
	}
	return again
}

func readStories(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(storiesGolden)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for section := range strings.SplitSeq(string(text), "\n# ") {
		name, story, ok := strings.Cut(strings.TrimPrefix(section, "# "), "\n")
		if !ok {
			t.Fatalf("%s: a section without a story: %q", storiesGolden, section)
		}
		want[name] = strings.TrimLeft(strings.TrimRight(story, "\n")+"\n", "\n")
	}
	return want
}

// writeStories writes what both families tell.
func writeStories(t *testing.T, told stories) {
	t.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(told)) {
		story := cmp.Or(told[name][kerneltest.IPv4], told[name][kerneltest.IPv6])
		if other := told[name][kerneltest.IPv6]; other != story {
			t.Errorf("%s: IPv4 tells\n%s\nIPv6 tells\n%s", name, story, other)
		}
		fmt.Fprintf(&b, "# %s\n%s\n", name, story)
	}
	if err := os.WriteFile(storiesGolden, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
