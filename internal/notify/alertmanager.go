package notify

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Alertmanager posts to its API v2. It forgets an alert that is not told again
// within its resolve_timeout: give the Queue a Resend below that.
type Alertmanager struct {
	URL    string // of Alertmanager, without /api/v2/alerts
	Client *http.Client
}

// ResendEvery is how often to tell Alertmanager of what still fires, as Prometheus
// does.
const ResendEvery = time.Minute

// Name implements Sink.
func (*Alertmanager) Name() string { return "alertmanager" }

// managerAlert is a postableAlert of the API.
type managerAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt"`
	EndsAt      string            `json:"endsAt,omitempty"` // only once it is known
}

// Send implements Sink.
func (m *Alertmanager) Send(ctx context.Context, alerts []alert.Alert) error {
	posted := make([]managerAlert, len(alerts))
	for i := range alerts {
		a := clean(&alerts[i])
		posted[i] = newManagerAlert(&a)
	}
	return post(ctx, m.Client, strings.TrimSuffix(m.URL, "/")+"/api/v2/alerts", posted, nil)
}

func newManagerAlert(a *alert.Alert) managerAlert {
	m := managerAlert{
		Labels: map[string]string{}, Annotations: map[string]string{},
		StartsAt: a.StartsAt.UTC().Format(time.RFC3339Nano),
	}
	for name, value := range a.Labels {
		if value != "" { // an empty label is none
			m.Labels[name] = value
		}
	}
	m.Labels["alertname"] = a.Rule
	m.Annotations["value"] = strconv.FormatFloat(a.Value, 'g', -1, 64)
	if a.Lost > 0 {
		m.Annotations["lost"] = strconv.FormatUint(a.Lost, 10)
	}
	for i := range a.Top {
		m.Annotations[fmt.Sprintf("top_%d", i+1)] = holder(&a.Top[i])
	}
	for name, value := range a.Annotations { // the rule's own words win
		m.Annotations[name] = value
	}
	if a.Status == alert.Resolved {
		m.EndsAt = a.EndsAt.UTC().Format(time.RFC3339Nano)
	}
	return m
}
