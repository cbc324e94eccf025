package webhook_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// Server-side request forgery: whatever a URL leads to inside, nothing is connected to. All of these reach the sink when
// nobody looks, or an address of which the operating system would have to find out.
func TestTargets_whatIsNotPublicIsNeverConnectedTo(t *testing.T) {
	t.Parallel()
	in := newSink(t, accept)
	in6 := newSink6(t)
	_, port, err := net.SplitHostPort(in.Listener.Addr().String())
	require.NoError(t, err)
	dns := startDNS(t)
	tried := 0
	for name, host := range map[string]string{
		"loopback": "127.0.0.1", "loopback, another": "127.9.9.9", "loopback by name": "localhost", "unspecified": "0.0.0.0",
		"loopback of IPv6": "[::1]", "unspecified of IPv6": "[::]", "IPv4-mapped loopback": "[::ffff:127.0.0.1]",
		"IPv4-mapped loopback in hex": "[::ffff:7f00:1]", "IPv4-compatible loopback": "[::127.0.0.1]",
		"NAT64 of loopback": "[64:ff9b::7f00:1]", "local NAT64 of loopback": "[64:ff9b:1::7f00:1]", "6to4 of loopback": "[2002:7f00:1::]",
		"Teredo": "[2001:0:7f00:1::]", "private 10": "10.0.0.1", "private 172": "172.16.0.1", "private 192": "192.168.0.1",
		"shared (CGNAT)": "100.64.0.1", "link-local, cloud metadata": "169.254.169.254", "IPv4-mapped cloud metadata": "[::ffff:169.254.169.254]",
		"link-local of IPv6": "[fe80::1]", "unique local": "[fd00::1]", "multicast": "224.0.0.1", "multicast of IPv6": "[ff02::1]",
		"broadcast": "255.255.255.255", "reserved": "240.0.0.1", "documentation": "192.0.2.1", "benchmarks": "198.18.0.1",
		"a name that leads to loopback": "loopback.test", "a name that leads to private and loopback": "several.test",
		"a name that leads to loopback of IPv6": "loopback6.test", "a name that leads elsewhere the second time": "rebinding.test",
		"decimal loopback": "2130706433", "short loopback": "127.1", "octal loopback": "0177.0.0.1", "hexadecimal loopback": "0x7f000001",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			targets := webhook.NewTargets(nil)
			targets.ResolveWith(dns)
			d, _ := s.deliverer(targets)
			for _, scheme := range []string{"http", "https"} {
				s.subscribe(scheme+"://"+host+":"+port+"/", admitted)
			}
			s.emit(admitted, uuid.New(), 1)
			require.NoError(t, d.Run(t.Context(), s.tenant.ID))
			assert.EqualValues(t, 0, s.count("attempts = 0 or status = 'delivered'"))
			errors := dbtest.Values[string](t, s.Database, "select distinct error from "+s.schema+".webhook_deliveries")
			if !strings.HasPrefix(name, "decimal") && !strings.HasPrefix(name, "short") && !strings.HasPrefix(name, "octal") && !strings.HasPrefix(name, "hexa") {
				assert.Equal(t, []string{"address"}, errors)
			}
			tried += 2
		})
	}
	assert.Zero(t, in.connections)
	assert.Zero(t, in6.connections)
	t.Logf("%d URLs that lead inside: %d connections at the sink", tried, in.connections+in6.connections)
}

// newSink6 listens on the same port of IPv6's loopback, if there is one.
func newSink6(t *testing.T) *sink {
	t.Helper()
	return newSink(t, accept)
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
