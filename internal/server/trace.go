package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-erp/rollcall/internal/auth"
)

// tracing makes a span of each request to an operation, named by its operationId. Health, metrics and what is no operation have
// none.
type tracing struct {
	tracer  trace.Tracer // nil: traces are off
	proxies []*net.IPNet // whose traceparent is believed
	names   *requests
}

func (t tracing) trace(next echo.HandlerFunc) echo.HandlerFunc {
	if t.tracer == nil {
		return next
	}
	return func(c echo.Context) error {
		operation := t.names.operation(c)
		if operation == systemRoute || operation == unknownRoute {
			return next(c)
		}
		r := c.Request()
		ctx, span := t.tracer.Start(t.parent(r), operation, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(knownMethod(r.Method)), semconv.HTTPRoute(c.Path())))
		defer span.End()
		c.SetRequest(r.WithContext(ctx))
		err := next(c)
		describe(span, c)
		return err
	}
}

// parent is the context with the trace that a proxy of ours has begun. A stranger's would decide what is sampled.
func (t tracing) parent(r *http.Request) context.Context {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.Context()
	}
	for _, network := range t.proxies {
		if network.Contains(net.ParseIP(host)) {
			return propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		}
	}
	return r.Context()
}

// describe says how the request ended, and whose tenant's it was.
func describe(span trace.Span, c echo.Context) {
	status := c.Response().Status
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	if p, ok := auth.Lookup(c.Request().Context()); ok {
		span.SetAttributes(attribute.String("rollcall.tenant", p.Tenant.String()))
	}
}

// requestAttrs adds what tells lines of the log that belong to one request: by its id, and that of its trace if there is one.
func requestAttrs(attrs []slog.Attr, c echo.Context) []slog.Attr {
	attrs = append(attrs, slog.String("requestId", requestOf(c).id))
	if span := trace.SpanContextFromContext(c.Request().Context()); span.HasTraceID() {
		attrs = append(attrs, slog.String("traceId", span.TraceID().String()))
	}
	return attrs
}
