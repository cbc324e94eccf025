package webhook_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// insideHosts lead to the sinks of the test, or to an address that only the operating system could know of. Where nothing is
// found out about the address, because the name is none, the error is another one.
var insideHosts = map[string]string{
	"127.0.0.1": "address", "127.9.9.9": "address", "localhost": "address", "0.0.0.0": "address", "[::1]": "address", "[::]": "address",
	"[::ffff:127.0.0.1]": "address", "[::ffff:7f00:1]": "address", "[::127.0.0.1]": "address", // IPv4 in IPv6
	"[64:ff9b::7f00:1]": "address", "[64:ff9b:1::7f00:1]": "address", "[2002:7f00:1::]": "address", "[2001:0:7f00:1::]": "address", // NAT64, 6to4, Teredo
	"10.0.0.1": "address", "172.16.0.1": "address", "192.168.0.1": "address", "[fd00::1]": "address", // private
	"100.64.0.1": "address", "169.254.169.254": "address", "[::ffff:169.254.169.254]": "address", "[fe80::1]": "address", // shared, link-local
	"224.0.0.1": "address", "[ff02::1]": "address", "255.255.255.255": "address", "240.0.0.1": "address", // multicast, reserved
	"192.0.2.1": "address", "198.18.0.1": "address", // documentation, benchmarks
	"loopback.test": "address", "several.test": "address", "loopback6.test": "address", "rebinding.test": "address",
	"2130706433": "connection", "127.1": "connection", "0177.0.0.1": "connection", "0x7f000001": "connection", // names, to Go
}

// Server-side request forgery: whatever a URL leads to inside, nothing is connected to.
func TestTargets_whatIsNotPublicIsNeverConnectedTo(t *testing.T) {
	t.Parallel()
	in := newSink(t, accept)
	_, port, err := net.SplitHostPort(in.Listener.Addr().String())
	require.NoError(t, err)
	in6 := listen6(t, port)
	s := newSchool(t)
	urls := map[uuid.UUID]string{}
	for host := range insideHosts {
		for _, scheme := range []string{"http", "https"} {
			id, _ := s.subscribe(scheme+"://"+host+":"+port+"/", admitted)
			urls[id] = host
		}
	}
	s.emit(admitted, uuid.New(), 1)
	targets := webhook.NewTargets(nil)
	targets.ResolveWith(startDNS(t))
	d, _ := s.deliverer(targets)
	d.Schedule = []time.Duration{time.Hour}
	s.runUntil(d, func() bool { return s.count("attempts = 0") == 0 })
	for id, host := range urls {
		got := dbtest.Value[string](t, s.Database, "select status || ' ' || error from "+s.schema+".webhook_deliveries where webhook_id = $1", id)
		assert.Equal(t, "pending "+insideHosts[host], got, host)
	}
	connections := in.seen() + in6.Load()
	t.Logf("%d URLs that lead inside: %d connections at the sink", len(urls), connections)
	assert.Zero(t, connections)

	// The sink is there, and reached as soon as it is allowed.
	allowing, _ := s.deliverer(webhook.NewTargets(loopback()))
	s.Exec(t, "update "+s.schema+".webhook_deliveries set next_attempt_at = now()")
	s.runUntil(allowing, func() bool { return in.seen() > 0 })
}

func (s *sink) seen() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.connections)
}

// listen6 counts connections to the same port of IPv6's loopback, where there is one.
func listen6(t *testing.T, port string) *atomic.Int64 {
	t.Helper()
	var connections atomic.Int64
	listener, err := net.Listen("tcp6", "[::1]:"+port)
	if err != nil {
		t.Logf("no IPv6 here: %v", err)
		return &connections
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	return &connections
}

func TestTargets_redirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, func(received) int { return http.StatusTemporaryRedirect })
	s.subscribe(in.URL+"/hook", admitted)
	s.emit(admitted, uuid.New(), 1)
	s.runUntil(d, s.allDone)
	assert.EqualValues(t, 1, s.count("status = 'failed' and status_code = 307"))
	assert.Len(t, in.all(), 9, "one for each attempt, none elsewhere")
}

// What is allowed is allowed without encryption too; what is only public is not.
func TestTargets_httpIsForAllowedAddressesOnly(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	s.subscribe("http://192.0.43.8:9/", admitted) // public, were it connected to
	s.emit(admitted, uuid.New(), 1)
	require.NoError(t, d.Run(t.Context(), s.tenant.ID))
	assert.EqualValues(t, 1, s.count("attempts > 0 and error = 'address'"))
}

// startDNS answers for the names of the test.
func startDNS(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	rebound := 0
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply := answerDNS(buffer[:n], &rebound); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answerDNS(query []byte, rebound *int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) == 0 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable = true, true
	m.Additionals = nil
	add := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: body})
	}
	switch name := q.Name.String(); {
	case q.Type == dnsmessage.TypeA && name == "loopback.test.":
		add(&dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
	case q.Type == dnsmessage.TypeA && name == "several.test.":
		add(&dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}})
		add(&dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
	case q.Type == dnsmessage.TypeAAAA && name == "loopback6.test.":
		add(&dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}})
	case q.Type == dnsmessage.TypeA && name == "rebinding.test.":
		*rebound++
		address := [4]byte{100, 64, 0, 1} // stands for one that a look before would have let pass
		if *rebound > 1 {
			address = [4]byte{127, 0, 0, 1}
		}
		add(&dnsmessage.AResource{A: address})
	case name == "loopback.test.", name == "several.test.", name == "loopback6.test.", name == "rebinding.test.":
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}
