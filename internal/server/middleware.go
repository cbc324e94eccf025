package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/auth"
)

// headAsGet routes HEAD as GET (RFC 9110, 9.3.2). It stands outside echo and gives it a copy of the request, so that
// net/http still knows the true method and leaves the body out.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// mostAttrs is how many a line of the log about a request has.
const mostAttrs = 10

// accessLog writes one line a request: the route, never the path or the query, which may hold personal data.
func accessLog(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err) // render now, so that the status below is the one sent
			}
			attrs := make([]slog.Attr, 0, mostAttrs)
			attrs = append(requestAttrs(attrs, c), slog.String("method", knownMethod(c.Request().Method)),
				slog.String("route", c.Path()), slog.Int("status", c.Response().Status),
				slog.Duration("duration", time.Since(start)), slog.Int64("bytes", c.Response().Size),
				slog.String("remote", requestOf(c).address))
			if p, ok := auth.Lookup(c.Request().Context()); ok {
				attrs = append(attrs, slog.String("tenant", p.Tenant.String()), slog.String("user", p.User.String()))
			}
			log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request", attrs...)
			return nil
		}
	}
}

// knownMethod keeps what a client made up out of the log.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recovered turns a panic into an error with the stack, for the log.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, compared as it does
					panic(p)
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

// setHeader is a header that is the same in all answers. They share the value, which nobody changes: to set a header is to give it
// another one.
type setHeader struct {
	name  string // as net/http spells it
	value []string
}

var fixedHeaders = []setHeader{
	{echo.HeaderXContentTypeOptions, []string{"nosniff"}},
	{echo.HeaderXFrameOptions, []string{"DENY"}},
	{echo.HeaderReferrerPolicy, []string{"no-referrer"}},
	{echo.HeaderContentSecurityPolicy, []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}},
	{echo.HeaderStrictTransportSecurity, []string{"max-age=63072000; includeSubDomains"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
}

var noStore = []string{"no-store"}

// securityHeaders closes what browsers leave open by default (OWASP Secure Headers Project). Documents may loosen the
// content policy for themselves.
func securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		for _, s := range fixedHeaders {
			h[s.name] = s.value
		}
		if strings.HasPrefix(c.Request().URL.Path, "/v1/") {
			h[echo.HeaderCacheControl] = noStore
		}
		return next(c)
	}
}
