package explore

// reach keeps a node to go on from, unless it allows nothing new.
func (x *Explorer) reach(n node, answered [2]channel) {
	x.mirror(&n, &answered)
	if x.known(&n) {
		return
	}
	at := len(x.nodes)
	x.nodes = append(x.nodes, n) // for now, so that what is met on the way can be told
	x.saturate(&n, at, answered)
	x.forget(&n)
	x.nodes = x.nodes[:at]
	if x.known(&n) {
		return
	}
	best := x.byEnds[n.ends][:0:0]
	for _, i := range x.byEnds[n.ends] {
		if other := &x.nodes[i]; n.holds(other) {
			other.outdone = true
		} else {
			best = append(best, i)
		}
	}
	x.byEnds[n.ends] = append(best, at)
	x.nodes = append(x.nodes, n)
}

// mirror lets the ends change places, in one of the two orders: neither is special.
func (x *Explorer) mirror(n *node, answered *[2]channel) {
	if n.ends[0] <= n.ends[1] {
		return
	}
	n.mirrored = true
	n.ends[0], n.ends[1] = n.ends[1], n.ends[0]
	n.sent[0], n.sent[1] = n.sent[1], n.sent[0]
	answered[0], answered[1] = answered[1], answered[0]
}

// known reports whether a node with the same ends and all that is on this one's wire
// was reached: it can do all that this one can.
func (x *Explorer) known(n *node) bool {
	for _, i := range x.byEnds[n.ends] {
		if x.nodes[i].holds(n) {
			return true
		}
	}
	return false
}

// saturate lets both ends send all that they can without a change to themselves:
// what they answer to old segments, and what they send again. That takes no
// behaviour away, since what was sent need not arrive. answered is what the end that
// did not change has answered before.
func (x *Explorer) saturate(n *node, at int, answered [2]channel) {
	for me := range 2 {
		for _, o := range x.byItself(at, me, n.ends[me]) {
			if o.to == n.ends[me] {
				n.sent[me].addAll(&o.sent)
			}
		}
	}
	for answered != n.sent {
		for me := range 2 {
			news := n.sent[1-me].without(&answered[1-me])
			answered[1-me] = n.sent[1-me]
			news.each(func(place int) {
				for _, o := range x.onSegment(at, me, n.ends[me], place) {
					if o.to == n.ends[me] {
						n.sent[me].addAll(&o.sent)
					}
				}
			})
		}
	}
}

// forget takes off the wire what goes to an end that has ended for good. It would be
// answered with an RST, and that is on the wire already.
func (x *Explorer) forget(n *node) {
	for me := range 2 {
		if e := &x.ends.entries[n.ends[me]]; e.over(&x.bounds) {
			n.sent[1-me] = channel{}
		}
	}
}
