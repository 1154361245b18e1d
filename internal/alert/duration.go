package alert

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// units are those of Prometheus, the largest first, each at most once.
var units = [...]struct {
	name string
	long time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour},
	{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

var durationForm = regexp.MustCompile(`^(?:(\d{1,9})y)?(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$`)

// ParseDuration reads a duration as Prometheus writes it: 5m, 1h30m, 2d.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	parts := durationForm.FindStringSubmatch(s)
	if s == "" || parts == nil {
		return 0, fmt.Errorf("parse duration %q: want such as 30s, 5m or 1h30m", s)
	}
	total := time.Duration(0)
	for i, u := range units {
		if parts[i+1] == "" {
			continue
		}
		n, _ := strconv.ParseInt(parts[i+1], 10, 64)
		if n > int64(maxDuration/u.long) {
			return 0, fmt.Errorf("parse duration %q: want at most a year", s)
		}
		total += time.Duration(n) * u.long
	}
	if total > maxDuration {
		return 0, fmt.Errorf("parse duration %q: want at most a year", s)
	}
	return total, nil
}

const maxDuration = 365 * 24 * time.Hour

// FormatDuration is the inverse of ParseDuration.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	text := ""
	for _, u := range units {
		if n := d / u.long; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + u.name
			d -= n * u.long
		}
	}
	return text
}

// Duration reads a duration of at least least.
func (d *Document) Duration(n *yaml.Node, least time.Duration, to *time.Duration) {
	var text string
	d.Text(n, &text)
	v, err := ParseDuration(text)
	switch {
	case err != nil:
		d.At(n, "%w", err)
	case v < least:
		d.At(n, "want at least %s, not %s", FormatDuration(least), text)
	default:
		*to = v
	}
}
