package tui

import (
	"errors"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

func ids(m *ui) []uint64 {
	list := make([]uint64, len(m.view.order))
	for i := range list {
		list[i] = m.view.at(i).ID
	}
	return list
}

func TestOrdinaryTableLeavesOutWhatEndedLongAgo(t *testing.T) {
	m, f := open(t, 120, 30, nil)
	if got := ids(m); slices.Contains(got, 10) || !slices.Contains(got, 9) {
		t.Fatalf("rows %v: want 9, which ended just now, and not 10, which ended long ago", got)
	}
	f.tick(start + 75*second)
	look(m)
	if got := ids(m); slices.Contains(got, 9) {
		t.Errorf("rows %v: 9 ended more than 10 s ago", got)
	}
	press(m, "c")
	if got := ids(m); !slices.Contains(got, 9) || !slices.Contains(got, 10) {
		t.Errorf("rows %v: want every closed socket", got)
	}
	press(m, "c", "a")
	if got := ids(m); !slices.Equal(got, []uint64{8, 11}) {
		t.Errorf("rows %v: want the abnormal ones, open or closed", got)
	}
}

func TestOrderIsByAttention(t *testing.T) {
	m, _ := open(t, 120, 30, nil)
	// Abnormal: held, then closed; notable; what piles up; the rest, oldest first.
	want := []uint64{8, 11, 4, 5, 12, 2, 3, 6, 7, 1, 9}
	if got := ids(m); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestEveryColumnSortsBothWays(t *testing.T) {
	m, _ := open(t, 160, 30, nil)
	first := ids(m)
	for i := range columns {
		if m.asked.sort != i {
			t.Fatalf("sorted by column %d, want %d", m.asked.sort, i)
		}
		var k, l sortKey
		check := func(sign int) {
			t.Helper()
			for position := 1; position < len(m.view.order); position++ {
				k, l = sortKey{}, sortKey{}
				columns[i].key(m.view.at(position-1), m.view.now, &k)
				columns[i].key(m.view.at(position), m.view.now, &l)
				if k != l && sign*compare(k, l) > 0 {
					t.Errorf("%s: rows %d and %d are out of order", columns[i].long, position-1, position)
				}
			}
		}
		sign := 1
		if columns[i].descending {
			sign = -1
		}
		check(sign)
		press(m, "S")
		check(-sign)
		wantText(t, m, m.direction())
		press(m, "s")
	}
	if got := ids(m); !slices.Equal(got, first) {
		t.Errorf("after all columns: %v, want %v again", got, first)
	}
	press(m, "<")
	if m.asked.sort != len(columns)-1 {
		t.Errorf("< sorts by column %d", m.asked.sort)
	}
}

func TestSelectionStaysWithTheSocket(t *testing.T) {
	m, f := open(t, 120, 12, nil)
	press(m, "down", "down", "down")
	if m.row().ID != 5 {
		t.Fatalf("selected %d, want 5", m.row().ID)
	}
	press(m, "s", "s", "s", "S")
	if m.row().ID != 5 {
		t.Errorf("after sorting: selected %d, want 5", m.row().ID)
	}
	f.apply(life(99, "10.0.0.5:1", "10.0.0.1:1", 1, "x").connect(1).resetByPeer().events)
	f.tick(start + 61*second)
	look(m)
	if m.row().ID != 5 {
		t.Errorf("after a snapshot: selected %d, want 5", m.row().ID)
	}
	if m.cursor < m.top || m.cursor >= m.top+m.regions().table {
		t.Errorf("cursor %d is off the screen that begins with %d", m.cursor, m.top)
	}
}

func TestUntouchedSelectionStaysOnTop(t *testing.T) {
	m, f := open(t, 120, 30, nil)
	before := m.row().ID
	f.apply(life(99, "10.0.0.5:1", "10.0.0.1:1", 1, "x").to(model.Established, model.Listen, 0).events)
	f.tick(start + 61*second)
	look(m)
	if m.cursor != 0 || m.row().ID == before {
		t.Errorf("cursor %d on %d; want the newcomer at the top", m.cursor, m.row().ID)
	}
	wantText(t, m, "✗1")
}

func TestNavigation(t *testing.T) {
	m, _ := open(t, 80, 10, nil)
	steps := []struct {
		key    string
		cursor int
	}{
		{"down", 1}, {"j", 2}, {"up", 1}, {"k", 0}, {"k", 0}, {"pgdown", 5}, {"G", 10},
		{"down", 10}, {"pgup", 5}, {"home", 0}, {"end", 10}, {"g", 0},
	}
	for _, s := range steps {
		press(m, s.key)
		if m.cursor != s.cursor {
			t.Errorf("%s: cursor %d, want %d", s.key, m.cursor, s.cursor)
		}
		lineWith(t, m, "▌")
		checkSize(t, m)
	}
}

func TestPauseHoldsTheTableAndCountsOn(t *testing.T) {
	m, f := open(t, 160, 30, nil)
	press(m, "p")
	before := lineWith(t, m, "38114")
	f.apply(life(99, "10.0.0.5:999", "10.0.0.1:1", 1, "x").connect(1).resetByPeer().events)
	f.apply(events.Slice{{Kind: events.Lost, Where: events.WhereRing, LostCount: 7}})
	f.tick(start + 90*second)
	look(m)
	wantText(t, m, "PAUSED", "lost 7 (ring 7)", "7 lost", "abnormal 3", before)
	wantNoText(t, m, ":999", "complete")
	press(m, "p")
	look(m)
	wantText(t, m, ":999")
	wantNoText(t, m, "PAUSED")
}

func TestHistoryStaysWhenTheSocketIsGone(t *testing.T) {
	m, f := open(t, 120, 40, nil)
	press(m, "/")
	enter(m, "192.0.2.80")
	press(m, "enter", "enter")
	wantText(t, m, "fin by local", "FIN_WAIT2")
	f.tick(start + 100*second)
	look(m)
	if got := ids(m); !slices.Equal(got, []uint64{9}) {
		t.Errorf("rows %v: the socket whose history is open must stay", got)
	}
	f.set(func(f *fakeFeed) { f.table = track.New(track.Options{MaxSockets: 10}, nowhere{}) })
	look(m)
	wantText(t, m, "The table has dropped this socket", "FIN_WAIT2")
	press(m, "esc")
	wantNoText(t, m, "FIN_WAIT2")
}

func TestHistoryFollowsTheCursor(t *testing.T) {
	m, _ := open(t, 120, 40, nil)
	press(m, "enter")
	wantText(t, m, "─ 10.0.0.5:38120 → 10.0.0.9:5432")
	press(m, "down")
	wantText(t, m, "─ 10.0.0.5:38140 → 10.0.0.9:5432")
	press(m, "G")
	wantText(t, m, "─ 10.0.0.5:38130 → 192.0.2.80:80", "fin by local")
}

func TestLongHistorySaysWhatIsLeftOut(t *testing.T) {
	m, f := open(t, 120, 50, nil)
	s := life(50, "10.0.0.5:4000", "10.0.0.1:1", 1, "x").connect(1)
	s.to(model.Established, model.FinWait1, model.Owned)
	for range 20 {
		s.after(second).to(model.FinWait1, model.FinWait1, model.Owned)
	}
	f.apply(s.events)
	f.tick(start + 61*second)
	look(m)
	press(m, "/")
	enter(m, ":4000")
	press(m, "enter", "enter")
	wantText(t, m, "11 states are left out")
	if n := strings.Count(plain(m), "FIN_WAIT1"); n < 10 {
		t.Errorf("%d lines with FIN_WAIT1", n)
	}
}

func TestLossIsAlwaysVisible(t *testing.T) {
	for _, width := range []int{12, 20, 30, 40, 60, 80, 120, 200} {
		m, f := open(t, width, 24, func(o *Options) { o.Color = true })
		wantText(t, m, "lost 0")
		f.apply(events.Slice{{Kind: events.Lost, Where: events.WhereNested, LostCount: 12}})
		look(m)
		wantText(t, m, "lost 12")
		header, _, _ := strings.Cut(frame(m), "\n")
		if !strings.Contains(header, colourful[alarmStyle]+"lost 12") {
			t.Errorf("width %d: the loss is not red: %q", width, header)
		}
		press(m, "p")
		wantText(t, m, "lost 12")
	}
}

func TestHelpNamesEveryKey(t *testing.T) {
	for _, size := range sizes {
		m, _ := open(t, size.width, size.height, nil)
		press(m, "?")
		seen := map[string]bool{}
		for range 60 {
			for _, line := range strings.Split(plain(m), "\n") {
				seen[strings.TrimSpace(ansi.Truncate(line, 14, ""))] = true
			}
			press(m, "down")
		}
		for _, table := range [][]binding{tableKeys[:], promptKeys[:]} {
			for _, b := range table {
				if !seen[b.name] {
					t.Errorf("%dx%d: no help for %q", size.width, size.height, b.name)
				}
			}
		}
		press(m, "?")
		wantNoText(t, m, "KEYS")
	}
}

func TestEveryKeyIsBoundOnce(t *testing.T) {
	for _, table := range [][]binding{tableKeys[:], promptKeys[:]} {
		seen := map[string]bool{}
		for _, b := range table {
			for _, key := range b.keys {
				if seen[key] {
					t.Errorf("%q is bound twice", key)
				}
				seen[key] = true
			}
			if b.help == "" || b.name == "" || len(b.name) > 12 {
				t.Errorf("%v: name %q, help %q", b.keys, b.name, b.help)
			}
		}
	}
}

func TestAnySizeAndAnyKeyAreSafe(t *testing.T) {
	m, _ := open(t, 80, 24, nil)
	sizes := [][2]int{{40, 10}, {1, 1}, {0, 0}, {2, 3}, {5, 4}, {13, 6}, {300, 2}, {1, 50}, {300, 100}}
	for _, b := range tableKeys {
		for _, key := range b.keys {
			press(m, key)
			for _, s := range sizes {
				m.Update(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
				if s[0] > 0 && s[1] > 0 {
					checkSize(t, m)
				}
			}
		}
		press(m, "x", "1", ".")
		for _, s := range sizes {
			m.Update(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
			frame(m)
		}
		press(m, "esc")
	}
}

func TestEmptyTable(t *testing.T) {
	m, err := newUI(t.Context(), Options{Feed: newFeed(10), Environ: []string{"LC_ALL=en_US.UTF-8"}})
	if err != nil {
		t.Fatal(err)
	}
	m.resize(80, 24)
	wantText(t, m, "reading the sockets…")
	look(m)
	wantText(t, m, "no open sockets", "0/0")
	for _, b := range tableKeys {
		press(m, b.keys[0])
		checkSize(t, m)
	}
}

func TestEndedStreamCanBeBrowsed(t *testing.T) {
	now := uint64(start + 70*second)
	m, _ := open(t, 120, 30, func(o *Options) { o.Now = func() uint64 { return now } })
	m.Update(endedMsg{errors.New("truncated recording\x1b[2J")})
	wantText(t, m, "tcpwatch ended", `truncated recording\x1b[2J`)
	press(m, "down")
	look(m)
	if m.view.now != start+60*second {
		t.Errorf("the clock goes on: %d", m.view.now)
	}
	wantText(t, m, "enter history")
}

func TestFeedErrorIsShown(t *testing.T) {
	m, f := open(t, 120, 30, nil)
	f.set(func(f *fakeFeed) { f.err = errors.New("ring closed") })
	look(m)
	wantText(t, m, "read the table: ring closed", "CLOSE_WAIT")
	f.set(func(f *fakeFeed) { f.err = nil })
	press(m, "down")
	look(m)
	wantNoText(t, m, "ring closed")
}

func TestFeedPanicEndsTheProgram(t *testing.T) {
	m, f := open(t, 120, 30, nil)
	f.set(func(f *fakeFeed) { f.panic = "x" })
	_, cmd := m.Update(m.read(true)())
	if m.crash == nil || !strings.Contains(m.crash.Error(), "panic") {
		t.Errorf("crash %v", m.crash)
	}
	if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("the program goes on")
	}
}

func TestHostileNames(t *testing.T) {
	hostile := "\xff\x1b[2J\x1b]0;x\x07"
	for _, colour := range []bool{false, true} {
		m, f := open(t, 160, 40, func(o *Options) {
			o.Title, o.Color = hostile+"\u202e\n", colour
			o.Counters = func() string { return hostile }
			o.Attached = func() string { return hostile }
		})
		f.apply(life(66, "10.0.0.5:6666", "10.0.0.1:1", 66, hostile).connect(1).events)
		f.tick(start + 61*second)
		look(m)
		press(m, "/")
		enter(m, "6666")
		press(m, "enter", "enter")
		checkSize(t, m)
		wantText(t, m, `66/\xff\x1b[2J\x1b]0;x\x07`)
		rest := frame(m)
		for _, sgr := range append(colourful[:], reset) {
			if sgr != "" && colour {
				rest = strings.ReplaceAll(rest, sgr, "")
			}
		}
		for _, r := range rest {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
				t.Fatalf("colour %v: %U in the frame", colour, r)
			}
		}
	}
}

func TestColourChangesNoText(t *testing.T) {
	for _, s := range scenes {
		a, _ := open(t, 120, 30, nil)
		b, _ := open(t, 120, 30, func(o *Options) { o.Color = true })
		s.do(a)
		s.do(b)
		if frame(a) != plain(b) {
			t.Errorf("%s: the text differs with colours", s.name)
		}
		if !strings.Contains(frame(b), "\x1b[") {
			t.Errorf("%s: no colours", s.name)
		}
	}
}

func TestASCIILocale(t *testing.T) {
	for _, s := range scenes {
		m, _ := open(t, 120, 40, func(o *Options) { o.Environ = []string{"LANG=en_US.UTF-8", "LC_ALL=C"} })
		s.do(m)
		for _, r := range frame(m) {
			if r > '~' {
				t.Fatalf("%s: %q in\n%s", s.name, r, frame(m))
			}
		}
	}
}

func TestSuspend(t *testing.T) {
	m, _ := open(t, 80, 24, nil)
	cmd := m.press(keyOf("ctrl+z"))
	if _, ok := cmd().(tea.SuspendMsg); !ok {
		t.Error("Ctrl-Z does not suspend")
	}
}

func TestSnapshotOfAnOlderWishIsArrangedAnew(t *testing.T) {
	m, _ := open(t, 120, 30, nil)
	cmd := m.refresh()
	m.press(keyOf("/")) // while the snapshot is being taken
	for _, r := range "curl" {
		m.press(keyOf(string(r)))
	}
	settle(m, cmd)
	if got := ids(m); !slices.Equal(got, []uint64{9}) {
		t.Errorf("rows %v", got)
	}
}
