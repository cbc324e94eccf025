package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// profile lets the service be measured, and writes meanwhile what it does with its time, and then what is in its memory. It does
// nothing unless the run is to have profiles, since taking them costs the service something.
func (s *session) profile(ctx context.Context, w work, server *web, measure func() error) error {
	if s.options.profiles == "" || server.metrics == "" {
		return measure()
	}
	if err := os.MkdirAll(s.options.profiles, 0o750); err != nil {
		return fmt.Errorf("make the folder of the profiles: %w", err)
	}
	file := filepath.Join(s.options.profiles, w.name)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(measure)
	group.Go(func() error {
		seconds := max(1, int(s.options.duration/time.Second))
		return download(ctx, server.metrics+"/debug/pprof/profile?seconds="+strconv.Itoa(seconds), file+".cpu")
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("take the profiles: %w", err)
	}
	return download(context.WithoutCancel(ctx), server.metrics+"/debug/pprof/heap", file+".heap")
}

// download writes what is at an address into a file.
func download(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("download %s: status %d: %w", url, response.StatusCode, err)
	}
	if err := os.WriteFile(filepath.Clean(file), content, 0o600); err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	return nil
}
