package notify

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Slack posts to an incoming webhook of Slack, Mattermost or Rocket.Chat.
type Slack struct {
	URL    string
	Client *http.Client
}

// Name implements Sink.
func (*Slack) Name() string { return "slack" }

// slackJSON is one message.
type slackJSON struct {
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

// slackAttachment is one alert in a message.
type slackAttachment struct {
	Color    string `json:"color"`
	Fallback string `json:"fallback"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	TS       int64  `json:"ts"`
}

// Bounds of a message: Slack cuts, or refuses, what is more.
const (
	maxSlackAlerts = 20
	maxSlackText   = 3000
)

// slackMarkup takes from text what Slack would act on: <!channel>, links.
var slackMarkup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Send implements Sink.
func (s *Slack) Send(ctx context.Context, alerts []alert.Alert) error {
	return post(ctx, s.Client, s.URL, slackMessage(alerts), nil)
}

func slackMessage(alerts []alert.Alert) slackJSON {
	firing := 0
	var m slackJSON
	for i := range alerts {
		if alerts[i].Status == alert.Firing {
			firing++
		}
		if i < maxSlackAlerts {
			m.Attachments = append(m.Attachments, newSlackAttachment(&alerts[i]))
		}
	}
	m.Text = fmt.Sprintf("tcpwatch: %d firing, %d resolved", firing, len(alerts)-firing)
	if more := len(alerts) - maxSlackAlerts; more > 0 {
		m.Text += fmt.Sprintf(", %d not shown", more)
	}
	return m
}

func newSlackAttachment(a *alert.Alert) slackAttachment {
	c := clean(a)
	text := message(a)
	title := fmt.Sprintf("%s %s", c.Status, c.Rule)
	color := "danger"
	if a.Status == alert.Resolved {
		color = "good"
	}
	return slackAttachment{
		Color: color, Title: slackMarkup.Replace(title),
		Fallback: slackMarkup.Replace(title),
		Text:     slackMarkup.Replace(strings.ToValidUTF8(text[:min(len(text), maxSlackText)], "")),
		TS:       a.Time().Unix(),
	}
}
