package record

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
)

// What an inventory told of listeners and of half-open connections is read back.
func TestFoundRowsReplay(t *testing.T) {
	e := Encoder{Epoch: epoch}
	for _, o := range kinds() {
		if o.Event.Kind != events.Inventory {
			continue
		}
		want := string(e.Append(nil, o))
		if got := replay(t, []string{want}); len(got) != 1 || got[0] != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
}

// A recording of the first version has no SYN queues, and none is made up.
func TestOldListener(t *testing.T) {
	const old = `{"event":"inventory","time":"2026-11-18T11:06:41.000000000Z","mono_ns":1000000000,"socket":3,"netns":1,"family":"ipv4","laddr":"10.0.0.1","lport":80,"raddr":"0.0.0.0","rport":0,"role":"listener","owner":{"provenance":"unknown"},"state":"LISTEN","began":"before","recv_q":3,"send_q":128,"verdict":"unjudged"}` + "\n"
	got := replay(t, []string{old})
	if len(got) != 1 || !strings.Contains(got[0], `"listen":{"accept_queue":3,"accept_limit":128},"evidence"`) {
		t.Errorf("replayed as %s", got)
	}
}

func TestCountersOfOtherVersions(t *testing.T) {
	var c Counters
	if err := json.Unmarshal([]byte(`{"listen_drops":7,"brand_new":1}`), &c); err != nil {
		t.Fatal(err)
	}
	counted := events.Counters(c)
	if n, ok := counted.Get(events.ListenDrops); !ok || n != 7 {
		t.Errorf("listen_drops %d, %v; want 7", n, ok)
	}
	if _, ok := counted.Get(events.ListenOverflows); ok {
		t.Error("listen_overflows, though the line has none")
	}
	for _, bad := range []string{`{"listen_drops":-1}`, `{"listen_drops":"x"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
