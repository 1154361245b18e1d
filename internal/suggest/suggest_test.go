package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"CLOSE_WAIT", "CLOSING", "CLOSE", "TIME_WAIT", "reset_by_peer", "end-reset-by-peer", "fin", "ring"}
	for word, want := range map[string]string{
		"CLOSE_WIAT":   "CLOSE_WAIT",
		"closewait":    "CLOSE_WAIT",
		"timewat":      "TIME_WAIT",
		"reset-by-per": "reset_by_peer",
		"clos":         "CLOSE",
		"fim":          "fin",
		"x":            "",
		"":             "",
		"zookeeper":    "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got := Nearest("anything", nil); got != "" {
		t.Errorf("suggest from nothing: %q", got)
	}
}
