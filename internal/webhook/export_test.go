package webhook

import (
	"net"
	"net/http"
)

// ResolveWith lets names be resolved by a DNS server of the test.
func (t *Targets) ResolveWith(r *net.Resolver) {
	for _, client := range []*http.Client{t.secure, t.open} {
		dialer := &net.Dialer{Timeout: connectTimeout, Control: t.guard.Safe, Resolver: r}
		client.Transport.(*http.Transport).DialContext = dialer.DialContext
	}
}

// Schedule are the waits of the service.
var Schedule = schedule

// The rules.
var (
	PauseAfter = pauseAfter
	Sign       = sign
)
