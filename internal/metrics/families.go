package metrics

import "github.com/prometheus/client_golang/prometheus"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tcpwatch_"+name, help, labels, nil)
}

// The families, with all the labels that they have. None is an address, a port or a
// process; group is, and must be asked for.
var (
	buildInfo    = desc("build_info", "1, with the version.", "version", "revision", "goversion")
	attached     = desc("probe_attached", "1 while the kernel program is attached.", "probe")
	seen         = desc("events_seen_total", "Times the kernel program ran.", "probe")
	filtered     = desc("events_filtered_total", "Events that were not about a TCP socket, or told by another one.", "where")
	lost         = desc("events_lost_total", "Events lost, by the place.", "where")
	processed    = desc("events_processed_total", "Observations that were counted here.")
	eventLag     = desc("event_lag_seconds", "From an event to its being counted, of a sample.")
	sockets      = desc("sockets", "Sockets that are there.", "state", "family")
	stateAge     = desc("state_age_max_seconds", "The longest that a socket has been in the state, of those that were seen to enter it.", "state")
	transitions  = desc("transitions_total", "Transitions, of the pairs of states that were seen.", "from", "to")
	verdicts     = desc("verdicts_total", "Judgements of transitions, of ends and of mini-sockets.", "verdict", "rule")
	inState      = desc("state_duration_seconds", "How long sockets were in the state they left.", "state")
	handshakes   = desc("handshake_duration_seconds", "From the first SYN, or the birth of the child, to the end of the handshake.", "role", "outcome")
	opened       = desc("connections_opened_total", "Connections that were established.", "role")
	closed       = desc("connections_closed_total", "Ends of sockets.", "close_reason")
	resets       = desc("resets_total", "RSTs.", "direction")
	retransmits  = desc("retransmits_total", "Segments sent again.", "kind")
	timeWaitEnds = desc("time_wait_ended_total", "Ends of mini-sockets.", "end")
	tableEntries = desc("table_entries", "Sockets remembered.", "table")
	tableRoom    = desc("table_capacity", "Sockets that can be remembered.", "table")
	evicted      = desc("table_evictions_total", "Closed sockets forgotten to make room.", "table")
	unjudged     = desc("sockets_unjudged_total", "Sockets that could not be judged because events were lost.")
	mismatch     = desc("reconcile_mismatch_total", "What inventories of the kernel put right.", "kind")
	alerts       = desc("alerts", "Alerts of the rule, by status.", "rule", "status")
	notified     = desc("notifications_total", "Alerts handed to the sink, by what became of them.", "sink", "outcome")
	tableRead    = desc("table_read_success", "1 if the table of sockets answered this scrape.")
	groupSockets = desc("group_sockets", "Sockets of the processes with the most, by name; _other are all the rest.", "group", "state")
	dropped      = desc("series_dropped_total", "Series left out of scrapes, because there were too many.", "metric")
)

var families = []*prometheus.Desc{
	buildInfo, attached, seen, filtered, lost, processed, eventLag, sockets, stateAge, transitions,
	verdicts, inState, handshakes, opened, closed, resets, retransmits, timeWaitEnds, tableEntries,
	tableRoom, evicted, unjudged, mismatch, alerts, notified, tableRead, groupSockets,
}
