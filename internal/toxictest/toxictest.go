// Package toxictest puts a bad network between a test and a server: a toxiproxy (Shopify/toxiproxy) in the test's own process.
//
//	proxy := toxictest.New(t, database.URL)
//	d := database.Open(t, db.Config{URL: proxy.URL})
//	proxy.Add(t, toxictest.Latency)
//	...
//	proxy.Heal(t)
package toxictest

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Toxic is one way in which a network is bad, towards the client or towards the server.
type Toxic struct {
	Name       string
	kind       string
	stream     string
	attributes map[string]any
}

// The toxics that toxiproxy has. Down, which is not among them, closes and refuses all connections.
var (
	Latency     = Toxic{Name: "latency", kind: "latency", stream: "downstream", attributes: map[string]any{"latency": 100, "jitter": 50}}
	Bandwidth   = Toxic{Name: "bandwidth", kind: "bandwidth", stream: "downstream", attributes: map[string]any{"rate": 20}} // KB/s
	SlowClose   = Toxic{Name: "slow_close", kind: "slow_close", stream: "downstream", attributes: map[string]any{"delay": 1000}}
	Timeout     = Toxic{Name: "timeout", kind: "timeout", stream: "downstream", attributes: map[string]any{"timeout": 0}} // nothing arrives any more
	TimeoutUp   = Toxic{Name: "timeout upstream", kind: "timeout", stream: "upstream", attributes: map[string]any{"timeout": 0}}
	ResetPeer   = Toxic{Name: "reset_peer", kind: "reset_peer", stream: "downstream", attributes: map[string]any{"timeout": 50}}
	ResetPeerUp = Toxic{Name: "reset_peer upstream", kind: "reset_peer", stream: "upstream", attributes: map[string]any{"timeout": 50}}
	Slicer      = Toxic{Name: "slicer", kind: "slicer", stream: "downstream", attributes: map[string]any{"average_size": 16, "size_variation": 8, "delay": 50}}
	LimitData   = Toxic{Name: "limit_data", kind: "limit_data", stream: "downstream", attributes: map[string]any{"bytes": 2500}}
	LimitDataUp = Toxic{Name: "limit_data upstream", kind: "limit_data", stream: "upstream", attributes: map[string]any{"bytes": 2500}}
	Down        = Toxic{Name: "down"}
)

// Far is a server at a distance, which is no fault: connections are scarce then, and not the processors of the machine that
// tests run on.
var Far = Toxic{Name: "far", kind: "latency", stream: "downstream", attributes: map[string]any{"latency": 20}}

// All are all of them.
var All = []Toxic{Latency, Bandwidth, SlowClose, Timeout, TimeoutUp, ResetPeer, ResetPeerUp, Slicer, LimitData, LimitDataUp, Down}

// Proxy is a network between a client and a server. Add and Heal are for one goroutine at a time.
type Proxy struct {
	URL   string // the server's URL, by way of the proxy
	proxy *toxiproxy.Proxy
	down  atomic.Bool
}

// New puts a healthy network before the server of a URL, for the time of the test.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := &Proxy{proxy: toxiproxy.NewProxy(api, "network", "127.0.0.1:0", u.Host)}
	require.NoError(t, p.proxy.Start())
	t.Cleanup(p.proxy.Stop)
	u.Host = p.proxy.Listen
	p.URL = u.String()
	return p
}

// Add makes the network bad in one way more.
func (p *Proxy) Add(t testing.TB, toxic Toxic) {
	t.Helper()
	if toxic.kind == "" {
		p.down.Store(true)
		p.proxy.Stop()
		return
	}
	spec, err := json.Marshal(map[string]any{"type": toxic.kind, "stream": toxic.stream, "attributes": toxic.attributes})
	require.NoError(t, err)
	_, err = p.proxy.Toxics.AddToxicJson(strings.NewReader(string(spec)))
	require.NoError(t, err)
}

// Heal makes the network good again.
func (p *Proxy) Heal(t testing.TB) {
	t.Helper()
	p.proxy.Toxics.ResetToxics(context.WithoutCancel(t.Context()))
	if p.down.Swap(false) {
		require.NoError(t, p.proxy.Start())
	}
}
