package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Shutdown says how Serve ends.
type Shutdown struct {
	// Lifecycle is told first, so that /readyz fails and no new requests are sent here; nil: nobody.
	Lifecycle *Lifecycle
	// Delay is how long requests are served after that as before: until whoever balances the load has noticed.
	Delay time.Duration
	// Grace is how long requests in flight may then take to finish.
	Grace time.Duration
}

// Limits of one connection, against clients that are slow or large on purpose. A body's length is in the document.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// Serve serves handler on listener until ctx ends and then shuts down in order.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger, end Shutdown) error {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	if end.Lifecycle != nil {
		end.Lifecycle.Drain()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(end.Delay):
	}
	return shutDown(ctx, s, failed, end.Grace)
}

// shutDown takes no more connections and waits for the requests in flight.
func shutDown(ctx context.Context, s *http.Server, failed <-chan error, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return fmt.Errorf("finish requests in flight: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
