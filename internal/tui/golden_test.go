package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Look at what changes in testdata before committing it.
var update = flag.Bool("update", false, "write the golden files anew")

var sizes = [...]struct{ width, height int }{{120, 30}, {80, 24}, {40, 10}}

var scenes = [...]struct {
	name string
	do   func(*ui)
}{
	{"table", func(*ui) {}},
	{"closed", func(m *ui) { press(m, "c") }},
	{"abnormal", func(m *ui) { press(m, "a") }},
	{"sorted", func(m *ui) { press(m, "s", "s", "s", "S") }},
	{"filter", func(m *ui) { press(m, "/"); enter(m, "API 5432") }},
	{"filtered", func(m *ui) { press(m, "/"); enter(m, "nginx"); press(m, "enter") }},
	{"nothing", func(m *ui) { press(m, "/"); enter(m, "zzz"); press(m, "enter") }},
	{"history", func(m *ui) { press(m, "enter") }},
	{"midlife", func(m *ui) { press(m, "/"); enter(m, "9:51334"); press(m, "enter", "enter") }},
	{"orderly", func(m *ui) { press(m, "/"); enter(m, "192.0.2.80"); press(m, "enter", "enter") }},
	{"paused", func(m *ui) { press(m, "p") }},
	{"help", func(m *ui) { press(m, "?") }},
}

func TestGolden(t *testing.T) {
	for _, size := range sizes {
		for _, s := range scenes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size.width, size.height)
			t.Run(name, func(t *testing.T) {
				m, _ := open(t, size.width, size.height, withClock)
				s.do(m)
				checkSize(t, m)
				golden(t, name, frame(m))
			})
		}
	}
}

func withClock(o *Options) {
	o.Clock = func(ns uint64) time.Time {
		return time.Date(2026, 11, 20, 3, 4, 5, 0, time.UTC).Add(time.Duration(ns - start))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got = strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the frame differs from %s:\n%s", path, got)
	}
}
