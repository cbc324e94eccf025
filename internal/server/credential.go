package server

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
)

// credentialsOf are what a request may sign in with, the one that counts first. An Authorization, which a program sets on
// purpose, counts alone: with a bad one the cookie, which a browser adds by itself, does not help.
func credentialsOf(r *http.Request) []auth.Credential {
	var all []auth.Credential
	if headers := r.Header.Values(echo.HeaderAuthorization); len(headers) > 0 {
		all = append(all, auth.Credential{Token: bearerToken(headers), Transport: api.TransportBearer})
	}
	if cookies := r.CookiesNamed(auth.CookieName); len(cookies) == 1 {
		all = append(all, auth.Credential{Token: cookies[0].Value, Transport: api.TransportCookie})
	}
	return all
}

// presented is the credential that counts; the zero value when there is none.
func presented(r *http.Request) auth.Credential {
	for _, c := range credentialsOf(r) {
		return c
	}
	return auth.Credential{}
}

// bearerToken is the token of the headers Authorization; empty when they are not exactly one of the scheme.
func bearerToken(headers []string) string {
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return token
}

// crossOrigin refuses what a browser sends from another site to change something: a sign-in too, which would put the user
// into somebody else's account. It needs no token and no list; browsers say where a request comes from.
func crossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if err := protection.Check(c.Request()); err != nil {
			return apperr.Wrap(apperr.CrossOrigin, "A browser may change something only from this service's own origin.", err)
		}
		return next(c)
	}
}

// checkCSRF refuses to change something for a cookie alone, which a browser sends whoever made it ask. What says neither
// Sec-Fetch-Site nor Origin has passed crossOrigin as no browser's; but a cookie is.
func checkCSRF(r *http.Request, p auth.Principal) error {
	switch {
	case p.Transport != api.TransportCookie, r.Method == http.MethodGet:
		return nil
	case r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get(echo.HeaderOrigin) == "":
		return apperr.New(apperr.CrossOrigin, "With a cookie, send Sec-Fetch-Site or Origin, as browsers do; a program signs in with the transport bearer.")
	case !p.KnowsCSRF(r.Header.Get(auth.CSRFHeader)):
		return apperr.New(apperr.CSRFToken, "Send the session's csrfToken as X-CSRF-Token; GET /v1/auth/session says it.")
	}
	return nil
}
