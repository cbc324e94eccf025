package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/rollcall-erp/rollcall/gen/api"
)

// CookieName is the cookie that holds a session's token. Browsers take a __Host- cookie only from the host itself, over a
// secure connection and for all its paths, so no neighbouring host can plant or overwrite it (RFC 6265bis, 4.1.3.2).
const CookieName = "__Host-rollcall"

// CSRFHeader is where a page proves that it knows the session that its cookie sends.
const CSRFHeader = "X-CSRF-Token"

// Credential is the text of a token, and how it was sent. A session answers only to the transport that it was made for.
type Credential struct {
	Token     string
	Transport api.Transport
}

type credentialsKey struct{}

// WithCredentials is ctx with what came with a request that needs no sign-in.
func WithCredentials(ctx context.Context, all []Credential) context.Context {
	return context.WithValue(ctx, credentialsKey{}, all)
}

func credentialsOf(ctx context.Context) []Credential {
	all, _ := ctx.Value(credentialsKey{}).([]Credential)
	return all
}

// cookie is the header that lets a browser keep a token until a time; nil for a session of the transport bearer.
func cookie(transport api.Transport, token Token, expiresAt time.Time) *string {
	return setCookie(transport, token.String(), int(time.Until(expiresAt).Seconds()))
}

// noCookie is the header that lets a browser forget the token.
func noCookie(transport api.Transport) *string { return setCookie(transport, "", -1) }

func setCookie(transport api.Transport, value string, maxAge int) *string {
	if transport != api.TransportCookie {
		return nil
	}
	c := http.Cookie{
		Name: CookieName, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	return new(c.String())
}
