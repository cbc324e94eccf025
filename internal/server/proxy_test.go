package server_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// roundTrips counts exchanges with the database: how often the client speaks after the server has spoken.
type roundTrips struct{ count atomic.Int64 }

func (r *roundTrips) during(work func()) int64 {
	before := r.count.Load()
	work()
	return r.count.Load() - before
}

// proxy listens in front of a database and returns the URL that leads through it.
func (r *roundTrips) proxy(t *testing.T, databaseURL string) string {
	t.Helper()
	target, err := url.Parse(databaseURL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := target.Host
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { r.forward(client, address) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	target.Host = listener.Addr().String()
	return target.String()
}

func (r *roundTrips) forward(client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address)
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
