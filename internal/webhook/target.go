package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"code.dny.dev/ssrf"
)

const (
	attemptTimeout = 10 * time.Second // connect, send, and wait for the answer's headers
	connectTimeout = 5 * time.Second
	mostHeader     = 16 << 10
	mostAnswer     = 16 << 10 // of the body, which nobody reads
)

// Targets connects to the endpoints of webhooks, and to nothing else that their URLs might lead to. The very address that
// is being connected to is looked at (net.Dialer.Control), after the name was resolved, so that a name that leads elsewhere
// the second time is of no use. Only public addresses are connected to: not loopback, private, shared, link-local,
// multicast and reserved ones, nor IPv6 addresses that have an IPv4 address in them. Redirects are not followed, and no
// proxy of the environment is asked. It is safe for concurrent use.
type Targets struct {
	guard  *ssrf.Guardian
	plain  bool // whether http can be allowed at all
	secure *http.Client
	open   *http.Client
}

// NewTargets allows besides what is public the addresses of some networks, also without encryption.
func NewTargets(allowed []*net.IPNet) *Targets {
	var v4, v6 []netip.Prefix
	for _, network := range allowed {
		prefix := netip.MustParsePrefix(network.String())
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	common := []ssrf.Option{ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...)}
	guard := ssrf.New(common...)
	onlyAllowed := ssrf.New(append(common,
		ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("0.0.0.0/0")), ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("::/0")))...)
	return &Targets{guard: guard, plain: len(allowed) > 0, secure: newClient(guard), open: newClient(onlyAllowed)}
}

func newClient(guard *ssrf.Guardian) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: guard.Safe}
	return &http.Client{
		Timeout:       attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  attemptTimeout,
			MaxResponseHeaderBytes: mostHeader,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
}

// Close closes idle connections.
func (t *Targets) Close() {
	t.secure.CloseIdleConnections()
	t.open.CloseIdleConnections()
}

func (t *Targets) client(u *url.URL) *http.Client {
	if u.Scheme == "https" {
		return t.secure
	}
	return t.open
}

// visiblyClosed is true of a URL whose host is an address that is not connected to.
func (t *Targets) visiblyClosed(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return false
	}
	network := "tcp6"
	if ip.Is4() {
		network = "tcp4"
	}
	return t.guard.Safe(network, netip.AddrPortFrom(ip, 443).String(), nil) != nil
}

// isClosed is true of the error of a connection that was not made because of its address.
func isClosed(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}
