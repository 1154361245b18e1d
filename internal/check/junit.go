package check

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/tcpwatch/tcpwatch/events"
)

// JUnit's form, as Jenkins, GitLab and GitHub's actions read it.
type suite struct {
	XMLName  xml.Name `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Cases    []test   `xml:"testcase"`
}

type test struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *failure `xml:"failure,omitempty"`
	Error   *failure `xml:"error,omitempty"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the result as one suite: a case for each connection that failed
// and each limit that was passed, and one for all others. story prints a history.
func (r *Result) WriteJUnit(w io.Writer, story func(*Story) string) error {
	s := suite{Name: "tcpwatch"}
	add := func(t test) {
		s.Tests++
		if t.Failure != nil {
			s.Failures++
		}
		if t.Error != nil {
			s.Errors++
		}
		t.Class = "tcpwatch.check"
		s.Cases = append(s.Cases, t)
	}
	for i := range r.Stories {
		one := &r.Stories[i]
		add(test{Name: nameOf(one), Failure: &failure{one.Socket.End.Reason.String(), story(one)}})
	}
	for _, b := range r.Breaches {
		add(test{Name: b.Limit, Failure: &failure{b.Text, b.Text}})
	}
	if n := r.Failed - len(r.Stories); n > 0 {
		text := counted(n, "connection") + " more failed"
		add(test{Name: "others that failed", Failure: &failure{text, text}})
	}
	all := test{Name: counted(r.Lives-r.Failed, "connection")}
	if !r.Proven() {
		all.Error = &failure{"not proven", r.Summary()}
	}
	add(all)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func nameOf(s *Story) string {
	ev := events.Event{Family: s.Socket.Family, Saddr: s.Socket.Saddr, Daddr: s.Socket.Daddr, Lport: s.Socket.Lport, Rport: s.Socket.Rport}
	return fmt.Sprintf("%v to %v", ev.Local(), ev.Remote())
}
