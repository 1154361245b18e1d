package record

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// lostWords stand between a number and the reason for a judgement.
const lostWords = " events lost. "

// judgements is a cache of what was said of those without a number, which are few.
type judgements struct {
	newest model.Judgement
	kept   map[model.Judgement][]byte
	text   []byte // of the newest
}

func (c *judgements) append(b []byte, j model.Judgement, lost uint64) []byte {
	if lost > 0 {
		return judgement(b, j, lost)
	}
	if j != c.newest || c.text == nil {
		var ok bool
		if c.text, ok = c.kept[j]; !ok {
			if c.kept == nil {
				c.kept = map[model.Judgement][]byte{}
			}
			c.text = judgement(nil, j, 0)
			c.kept[j] = c.text
		}
		c.newest = j
	}
	return append(b, c.text...)
}

// seenWords stand between the reason for a verdict and what was seen.
const seenWords = " Seen: "

// seen adds to the why of an end, the newest field, what was seen of it.
func seen(b []byte, s *track.Socket) []byte {
	before := len(b)
	b = append(b[:before-1], seenWords...)
	n := len(b)
	if b = s.AppendSeen(b); len(b) == n {
		b = append(b[:before-1], '"')
		return b
	}
	return append(b, `."`...)
}

func judgement(b []byte, j model.Judgement, lost uint64) []byte {
	b = text(b, "verdict", j.Verdict.String())
	b = text(b, "rule", j.Rule.String())
	b = append(b, `,"why":"`...)
	if lost > 0 {
		b = strconv.AppendUint(b, lost, 10)
		b = append(b, lostWords...)
	}
	b = escape(b, j.Why())
	return append(b, '"')
}
