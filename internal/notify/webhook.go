package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Webhook posts alerts in the shape of Alertmanager's webhooks (version 4), which
// many programs take.
type Webhook struct {
	URL    string
	Secret []byte // signs the body (X-Tcpwatch-Signature: sha256=…), if not empty
	Client *http.Client
}

// Name implements Sink.
func (*Webhook) Name() string { return "webhook" }

// webhookJSON is a group of alerts.
type webhookJSON struct {
	Version  string             `json:"version"`
	GroupKey string             `json:"groupKey"`
	Receiver string             `json:"receiver"`
	Status   alert.Status       `json:"status"` // firing if any is
	Alerts   []webhookAlertJSON `json:"alerts"`
}

// webhookAlertJSON is what Alertmanager posts, and the rest of the alert.
type webhookAlertJSON struct {
	Status      alert.Status `json:"status"`
	Fingerprint string       `json:"fingerprint"`
	managerAlert
	Value float64 `json:"value"`
	Lost  uint64  `json:"lost"`
}

// Send implements Sink.
func (w *Webhook) Send(ctx context.Context, alerts []alert.Alert) error {
	j := webhookJSON{Version: "4", GroupKey: "tcpwatch", Receiver: "tcpwatch", Status: alert.Resolved}
	for i := range alerts {
		a := clean(&alerts[i])
		if a.Status == alert.Firing {
			j.Status = alert.Firing
		}
		j.Alerts = append(j.Alerts, webhookAlertJSON{
			Status: a.Status, Fingerprint: fmt.Sprintf("%016x", alerts[i].Fingerprint()),
			managerAlert: newManagerAlert(&a), Value: a.Value, Lost: a.Lost,
		})
	}
	return post(ctx, w.Client, w.URL, j, w.signature())
}

func (w *Webhook) signature() func([]byte) (string, string) {
	if len(w.Secret) == 0 {
		return nil
	}
	return func(body []byte) (string, string) {
		mac := hmac.New(sha256.New, w.Secret)
		mac.Write(body)
		return "X-Tcpwatch-Signature", "sha256=" + hex.EncodeToString(mac.Sum(nil))
	}
}
