package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Bounds of what is read of an answer.
const (
	maxAnswer     = 64 << 10
	maxAnswerTold = 200
)

// NewClient returns a client that asks only whom it was told to: it follows no
// redirect, which would hand alerts and secrets to somebody else.
func NewClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends v as JSON. Its errors do not name the URL: some hold a secret.
func post(ctx context.Context, client *http.Client, to string, v any, sign func([]byte) (name, value string)) error {
	body, err := json.Marshal(v)
	if err != nil {
		return permanent(fmt.Errorf("encode alerts: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return permanent(errors.New("check the url of the sink: cannot be parsed"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tcpwatch")
	if sign != nil {
		req.Header.Set(sign(body))
	}
	resp, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("post alerts: %w", err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // only to tell, and to use the connection again
	return statusError(resp, answer)
}

// statusError is what an answer says. Of the client's errors, only those that pass
// are worth another attempt.
func statusError(resp *http.Response, answer []byte) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	err := fmt.Errorf("post alerts: answered %s: %s", visible(resp.Status), visible(string(answer[:min(len(answer), maxAnswerTold)])))
	if code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout {
		return err
	}
	return permanent(err)
}
