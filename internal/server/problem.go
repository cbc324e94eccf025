package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// problemKinds says how each kind of error looks to the client. The last part of the type is stable.
var problemKinds = map[apperr.Kind]struct {
	status int
	name   string
	title  string
}{
	apperr.Internal:             {http.StatusInternalServerError, "internal", "Internal error"},
	apperr.Invalid:              {http.StatusBadRequest, "invalid-request", "The request is not valid"},
	apperr.Unauthenticated:      {http.StatusUnauthorized, "unauthenticated", "Sign in first"},
	apperr.Forbidden:            {http.StatusForbidden, "permission-missing", "Permission missing"},
	apperr.MFARequired:          {http.StatusForbidden, "mfa-required", "Second factor missing"},
	apperr.FreshFactorRequired:  {http.StatusForbidden, "fresh-factor-required", "Verify again"},
	apperr.CSRFToken:            {http.StatusForbidden, "csrf-token", "CSRF token missing or wrong"},
	apperr.CrossOrigin:          {http.StatusForbidden, "cross-origin", "Request from another site"},
	apperr.NotFound:             {http.StatusNotFound, "not-found", "Not found"},
	apperr.MethodNotAllowed:     {http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed"},
	apperr.Conflict:             {http.StatusConflict, "conflict", "Conflict"},
	apperr.RequestInProgress:    {http.StatusConflict, "request-in-progress", "The same request is being worked on"},
	apperr.KeyReused:            {http.StatusUnprocessableEntity, "idempotency-key-reused", "The idempotency key belongs to another request"},
	apperr.PreconditionFailed:   {http.StatusPreconditionFailed, "precondition-failed", "Changed meanwhile"},
	apperr.TooLarge:             {http.StatusRequestEntityTooLarge, "content-too-large", "Body too large"},
	apperr.UnsupportedMediaType: {http.StatusUnsupportedMediaType, "unsupported-media-type", "Unsupported media type"},
	apperr.TooManyRequests:      {http.StatusTooManyRequests, "too-many-requests", "Too many requests"},
	apperr.Unavailable:          {http.StatusServiceUnavailable, "unavailable", "Try again shortly"},
	apperr.OutcomeUnknown:       {http.StatusServiceUnavailable, "outcome-unknown", "It is not known whether this was done"},
	apperr.Canceled:             {statusClientClosedRequest, "canceled", "Canceled"},
}

// statusClientClosedRequest is nginx's 499: for the log, since nobody reads the answer.
const statusClientClosedRequest = 499

// renderer turns every error into a problem document. It is the only place that does.
type renderer struct{ log *slog.Logger }

func (r renderer) render(err error, c echo.Context) {
	known := toAppError(err)
	kind := problemKinds[known.Kind]
	r.report(c, known.Kind, kind.status, err)
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	header.Del(echo.HeaderLocation)
	header.Set(echo.HeaderContentType, "application/problem+json")
	if known.RetryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(known.RetryAfter.Seconds()))))
	}
	if known.Kind == apperr.Unauthenticated {
		header.Set(echo.HeaderWWWAuthenticate, `Bearer realm="rollcall"`)
	}
	c.Response().WriteHeader(kind.status)
	_ = json.NewEncoder(c.Response()).Encode(problemOf(c, known)) //nolint:errchkjson // the client has gone; there is nobody to tell
}

// report logs what is a fault of ours, with its cause; the client's faults are in the access log by their status.
func (r renderer) report(c echo.Context, kind apperr.Kind, status int, err error) {
	ctx := c.Request().Context()
	level := slog.LevelDebug
	switch {
	case ctx.Err() != nil: // the client has gone; what failed because of it is no fault of ours
	case kind == apperr.Internal:
		level = slog.LevelError
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	if r.log.Enabled(ctx, level) {
		r.log.LogAttrs(ctx, level, "request failed", append(requestAttrs(nil, c), slog.String("route", c.Path()), slog.Any("error", err))...)
	}
}

// toAppError understands this project's errors and echo's own; anything else is internal.
func toAppError(err error) *apperr.Error {
	if known, ok := errors.AsType[*apperr.Error](err); ok {
		return known
	}
	if errors.Is(err, db.ErrTenantUnavailable) { // closed after the request was authenticated
		return apperr.New(apperr.Unauthenticated, "")
	}
	httpError, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return apperr.New(apperr.Internal, "")
	}
	switch code := httpError.Code; {
	case code == http.StatusNotFound:
		return apperr.New(apperr.NotFound, "")
	case code == http.StatusMethodNotAllowed:
		return apperr.New(apperr.MethodNotAllowed, "The header Allow lists the methods of this path.")
	case code == http.StatusUnsupportedMediaType:
		return apperr.New(apperr.UnsupportedMediaType, "")
	case code >= http.StatusBadRequest && code < http.StatusInternalServerError:
		return apperr.New(apperr.Invalid, "")
	}
	return apperr.New(apperr.Internal, "")
}

func problemOf(c echo.Context, e *apperr.Error) api.Problem {
	kind := problemKinds[e.Kind]
	p := api.Problem{Type: "/problems/" + kind.name, Title: kind.title, Status: kind.status, RequestId: requestOf(c).id}
	if e.Detail != "" {
		p.Detail = &e.Detail
	}
	if len(e.Fields) > 0 {
		fields := make([]api.FieldError, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = api.FieldError{In: api.FieldErrorIn(f.In), Field: f.Field, Code: f.Code, Message: f.Message}
			if f.In == apperr.Body {
				fields[i].Pointer = &f.Pointer
			}
		}
		p.Errors = &fields
	}
	return p
}
