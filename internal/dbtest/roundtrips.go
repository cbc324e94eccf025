package dbtest

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// RoundTrips counts exchanges with a database: how often the client speaks after the server has spoken. It is safe for concurrent use.
type RoundTrips struct{ count atomic.Int64 }

// Count is how many there have been.
func (r *RoundTrips) Count() int64 { return r.count.Load() }

// During is how many there are while work runs.
func (r *RoundTrips) During(work func()) int64 {
	before := r.count.Load()
	work()
	return r.count.Load() - before
}

// Proxy listens in front of a database and returns the URL that leads through it.
func (r *RoundTrips) Proxy(t testing.TB, databaseURL string) string {
	t.Helper()
	target, err := url.Parse(databaseURL)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address, ctx := target.Host, context.WithoutCancel(t.Context())
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { r.forward(ctx, client, address) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	target.Host = listener.Addr().String()
	return target.String()
}

func (r *RoundTrips) forward(ctx context.Context, client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var serverSpoke atomic.Bool
	serverSpoke.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(client, watched{server, func() { serverSpoke.Store(true) }})
		_ = client.Close()
	}()
	_, _ = io.Copy(server, watched{client, func() {
		if serverSpoke.Swap(false) {
			r.count.Add(1)
		}
	}})
	_ = server.Close()
	<-done
}

type watched struct {
	io.Reader
	seen func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.seen()
	}
	return n, err
}
