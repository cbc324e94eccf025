package auth

import (
	"context"
	"net/netip"
)

// Client is the program that asks, as far as the network shows it.
type Client struct{ Address, UserAgent string }

// Network is who is counted as one client: an IPv4 address, or the /64 of an IPv6 address, of which a household or a
// school has 2^64 addresses. Empty when the address is none.
func (c Client) Network() string {
	address, err := netip.ParseAddr(c.Address)
	if err != nil {
		return ""
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}

type clientKey struct{}

// WithClient is ctx with the client that asks.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// clientOf is the client of ctx; the zero value when there is none.
func clientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
