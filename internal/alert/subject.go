package alert

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
)

// merge is how the numbers of several rows of one group become one.
type merge uint8

const (
	mergeText merge = iota // no number: what a rule may group by
	mergeSum
	mergeMax
	derived // worked out for the whole group
)

// field is one name that a rule may use, and what it means.
type field struct {
	name    string
	merge   merge
	meaning string
}

// subject is what a rule may be about.
type subject struct {
	name    string
	meaning string
	// kinds are the events that it is; none for what inventories tell.
	kinds  []events.Kind
	fields []field // what expr may ask
	by     []string
	// key is the number that a rule is about where its expr names none.
	key string
}

// SelfSubject is the name of the watch itself.
const (
	selfSubject    = "self"
	socketsSubject = "sockets"
	portsSubject   = "ports"
	listenSubject  = "listeners"
	netnsSubject   = "namespaces"
)

var eventFields = []field{
	{"count", derived, "events in the window"},
	{"rate", derived, "events a second, over the window"},
	{"all", derived, "all events of this kind in the window, whatever where says"},
	{"share", derived, "count as a part of all, 0 to 1"},
}

// subjects is the table of all that a rule may be `on`.
var subjects = []subject{
	{name: "transition", meaning: "a step of a socket", kinds: []events.Kind{events.Transition}, fields: eventFields, by: eventLabels, key: "count"},
	{name: "reset", meaning: "an RST, sent or received", kinds: []events.Kind{events.ResetSent, events.ResetReceived}, fields: eventFields, by: eventLabels, key: "count"},
	{name: "retransmit", meaning: "a segment sent again", kinds: []events.Kind{events.Retransmit, events.SynAck}, fields: eventFields, by: eventLabels, key: "count"},
	{name: "closed", meaning: "the end of a connection", kinds: []events.Kind{events.Closed}, fields: eventFields, by: eventLabels, key: "count"},
	{name: "time_wait", meaning: "the beginning or the end of a mini-socket", kinds: []events.Kind{events.Mini}, fields: eventFields, by: eventLabels, key: "count"},
	{name: socketsSubject, meaning: "sockets that wait, in groups", key: "count", fields: []field{
		{"section", mergeText, "close_wait, held, fin_wait2, half_open, syn_sent, syn_recv or time_wait"},
		{"kind", mergeText, "of FIN_WAIT2: held, orphan or mini"},
		{"netns", mergeText, "the network namespace"},
		{"comm", mergeText, "the process's name"},
		{"pid", mergeText, "the process"},
		{"container", mergeText, "its container"},
		{"lport", mergeText, "the listener's port"},
		{"raddr", mergeText, "the peer, where there is no listener"},
		{"rport", mergeText, "its port"},
		{"count", mergeSum, "sockets"},
		{"stale", mergeSum, "of these, for more than a minute in their state"},
		{"oldest", mergeMax, "ns, the longest in its state; -1 if not known"},
		{"unread", mergeSum, "bytes received and not read"},
		{"fds", mergeSum, "descriptors"},
		{"retransmits", mergeSum, "segments sent again"},
		{"share", derived, "count as a part of all sockets, 0 to 1"},
		{"slope", derived, "how many more a minute, over the window"},
	}},
	{name: portsSubject, meaning: "the ports towards one destination", key: "pressure", fields: []field{
		{"netns", mergeText, "the network namespace"},
		{"laddr", mergeText, "the source address"},
		{"raddr", mergeText, "the destination"},
		{"rport", mergeText, "its port"},
		{"taken", mergeSum, "ports that connect() cannot choose"},
		{"time_wait", mergeSum, "ports that a mini-socket in TIME_WAIT takes"},
		{"usable", mergeMax, "ports that there are"},
		{"pressure", mergeMax, "taken as a part of usable, 0 to 1"},
		{"failed", mergeSum, "connects that got no port"},
		{"slope", derived, "how many more taken a minute, over the window"},
	}},
	{name: listenSubject, meaning: "a listener that somebody waits for", key: "accept_queue", fields: []field{
		{"netns", mergeText, "the network namespace"},
		{"laddr", mergeText, "its address"},
		{"lport", mergeText, "its port"},
		{"comm", mergeText, "the process's name"},
		{"pid", mergeText, "the process"},
		{"accept_queue", mergeMax, "connections that wait to be accepted"},
		{"accept_limit", mergeMax, "how many may; the queue is full beyond it"},
		{"syn_queue", mergeMax, "half-open connections"},
		{"syn_limit", mergeMax, "how many there may be"},
		{"unaccepted", mergeMax, "connections found that nobody has accepted; -1 if not known"},
	}},
	{name: netnsSubject, meaning: "what the kernel counted in a network namespace, over the window", key: "listen_overflows", fields: counterFields()},
	{name: selfSubject, meaning: "the watch itself, over the window", key: "lost", fields: []field{
		{"lost", derived, "events lost"},
		{"rate", derived, "events lost a second"},
		{"ring", derived, "of these, in the ring"},
		{"nested", derived, "of these, nested"},
		{"table", derived, "of these, in the table"},
		{"queue", derived, "of these, before a sink"},
		{"sink", derived, "of these, in a sink"},
		{"overflow", derived, "events and rows put together for want of room, since the start"},
		{"suppressed", derived, "alerts held back by a limit, since the start"},
	}},
}

func counterFields() []field {
	all := []field{{"netns", mergeText, "the network namespace"}}
	for n := range events.NumCounters {
		all = append(all, field{n.String(), mergeSum, "how much TcpExt " + n.Kernel() + " grew"})
	}
	return all
}

func subjectNamed(name string) *subject {
	if i := slices.IndexFunc(subjects, func(s subject) bool { return s.name == name }); i >= 0 {
		return &subjects[i]
	}
	return nil
}

func subjectNames() (all []string) {
	for i := range subjects {
		all = append(all, subjects[i].name)
	}
	return all
}

// groups lists what a rule about s may group by.
func (s *subject) groups() []string {
	if s.by != nil {
		return s.by
	}
	var all []string
	for _, f := range s.fields {
		if f.merge == mergeText {
			all = append(all, f.name)
		}
	}
	return all
}

// ofEvents reports whether s is a kind of event.
func (s *subject) ofEvents() bool { return len(s.kinds) > 0 }

// env is what expr sees where nothing is known.
func (s *subject) env() map[string]any {
	env := map[string]any{}
	for _, f := range s.fields {
		if f.merge == mergeText {
			env[f.name] = ""
		} else {
			env[f.name] = 0.0
		}
	}
	for _, name := range s.by {
		env[name] = ""
	}
	return env
}

// Subject is what a rule may be on, for people.
type Subject struct {
	Name, Meaning string
	By            []string
	Numbers       [][2]string // name and meaning
}

// Subjects lists what a rule may be on.
func Subjects() (all []Subject) {
	for i := range subjects {
		s := &subjects[i]
		one := Subject{Name: s.name, Meaning: s.meaning, By: s.groups()}
		for _, f := range s.fields {
			if f.merge != mergeText {
				one.Numbers = append(one.Numbers, [2]string{f.name, f.meaning})
			}
		}
		all = append(all, one)
	}
	return all
}
