package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// Limits of the HTTP server: whoever asks slowly, or much, asks in vain.
const (
	headerTime = 5 * time.Second
	askTime    = 10 * time.Second
	answerTime = 15 * time.Second
	idleTime   = time.Minute
	maxHeader  = 16 << 10
	healthTime = time.Second
)

// webServer serves /metrics and /healthz.
type webServer struct {
	server   *http.Server
	listener net.Listener
	failed   chan error
}

// startWeb listens and serves.
func startWeb(c *agentConfig, stderr io.Writer, scrape http.Handler, healthy func(context.Context) error) (*webServer, error) {
	if c.WebConfig != "" {
		if err := web.Validate(c.WebConfig); err != nil {
			return nil, usagef("check web_config: %w", err)
		}
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // a sandbox that knows TCP alone holds for this
	l, err := lc.Listen(context.Background(), "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	s := &webServer{listener: l, failed: make(chan error, 1), server: &http.Server{
		Handler:           routes(l.Addr(), scrape, healthy),
		ReadHeaderTimeout: headerTime, ReadTimeout: askTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what strangers send is not ours to tell
	}}
	systemd := false
	flags := &web.FlagConfig{WebConfigFile: &c.WebConfig, WebSystemdSocket: &systemd}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	go func() { s.failed <- web.Serve(l, s.server, flags, log) }()
	return s, nil
}

func routes(addr net.Addr, scrape http.Handler, healthy func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", scrape)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTime)
		defer cancel()
		if err := healthy(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	if local, ok := addr.(*net.TCPAddr); ok && local.IP.IsLoopback() {
		return onlyLocalNames(mux)
	}
	return mux
}

// onlyLocalNames refuses requests to a name that somebody has made point to this
// host: a page in a browser here could read what is for this host alone.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "this is for localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// close ends what is being answered, within a bounded time.
func (s *webServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}

// failure is an error that ended the server by itself.
func webFailure(err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve metrics: %w", err)
}
