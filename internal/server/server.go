// Package server is the HTTP side: echo, the middleware in their order, and the one place where errors are rendered.
//
// The way of a request can be read off New and gate: what every request passes is listed in New, what an operation of
// openapi.yaml passes besides is listed in gate. Handlers live in the domain packages; operations puts them together, and
// the compiler complains when one is missing or there twice.
package server

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/academic"
	"github.com/rollcall-erp/rollcall/internal/access"
	"github.com/rollcall-erp/rollcall/internal/attendance"
	"github.com/rollcall-erp/rollcall/internal/audit"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/exam"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/student"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// One alias a tag: embedded, each gets a field name of its own.
type (
	sessions    = auth.Handler
	accesses    = access.Handler
	academics   = academic.Handler
	students    = student.Handler
	attendances = attendance.Handler
	exams       = exam.Handler
	audits      = audit.Handler
	webhooks    = webhook.Handler
)

// operations are the handlers of all tags. A missing or doubled operation does not compile.
type operations struct {
	*sessions
	*accesses
	*academics
	*students
	*attendances
	*exams
	*audits
	*webhooks
}

var _ api.StrictServerInterface = operations{}

// Dependencies are what the handlers work with.
type Dependencies struct {
	DB       *db.DB
	Contract *contract.Contract
	Box      *seal.Box
	Sessions auth.Limits
	// Memory remembers who is signed in, while it runs; nil: nobody is remembered. With a replica nobody is, because the request
	// notes on the primary, when it is authenticated, what the replica must have.
	Memory *auth.Memory
	// Now is the clock for the codes of second factors; nil is the true one.
	Now     func() time.Time
	Limiter *ratelimit.Limiter
	// TrustedProxies are those whose X-Forwarded-For is believed; without any the address is that of the connection.
	TrustedProxies []*net.IPNet
	Concurrency    Concurrency
	// WebhookTargets are where webhooks may lead.
	WebhookTargets *webhook.Targets
	// Lifecycle is where the instance stands; nil: it serves.
	Lifecycle *Lifecycle
	// Tracer makes a span of each request; nil: none.
	Tracer trace.Tracer
	Log    *slog.Logger
	// Metrics takes what the server measures (NewMetrics). It is served as /metrics unless MetricsElsewhere.
	Metrics          *prometheus.Registry
	MetricsElsewhere bool
	// ValidateResponses makes an answer that is not what the document says a 500. It is for tests and for hunting faults.
	ValidateResponses bool
	// Demo are sign-ins that the page of the docs shows, where they were made for everybody.
	Demo []DemoSignIn
}

func newEcho(d Dependencies) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = clientAddress(d.TrustedProxies)
	e.Binder = validatedBinder{}
	e.HTTPErrorHandler = renderer{log: d.Log}.render
	return e
}

// New puts the server together. An error is a fault of the program: document and generated code do not fit.
func New(d Dependencies) (http.Handler, error) {
	e := newEcho(d)
	measured, err := newRequests(d.Metrics)
	if err != nil {
		return nil, err
	}
	if d.Lifecycle == nil {
		d.Lifecycle = NewLifecycle()
		d.Lifecycle.Serve()
	}
	validation, err := validationOf(d)
	if err != nil {
		return nil, err
	}
	way := []echo.MiddlewareFunc{begin, tracing{d.Tracer, d.TrustedProxies, measured}.trace, measured.measure, accessLog(d.Log), d.Lifecycle.closing, securityHeaders}
	way = append(way, validation...)
	e.Use(everywhere(append(way, recovered, crossOrigin)...))

	signIn := &auth.Handler{DB: d.DB, Contract: d.Contract, Limits: d.Sessions, Box: d.Box, Now: d.Now, Memory: memoryOf(d)}
	limits, err := newLimits(d.Limiter, d.Contract, d.Metrics)
	if err != nil {
		return nil, err
	}
	overload, err := newOverload(d.Concurrency, d.Metrics)
	if err != nil {
		return nil, err
	}
	handlers := operations{
		sessions:    signIn,
		accesses:    &access.Handler{DB: d.DB, Contract: d.Contract, Sessions: signIn},
		academics:   &academic.Handler{DB: d.DB},
		attendances: &attendance.Handler{DB: d.DB},
		students:    &student.Handler{DB: d.DB, Contract: d.Contract, Box: d.Box},
		exams:       &exam.Handler{DB: d.DB},
		audits:      &audit.Handler{DB: d.DB},
		webhooks:    &webhook.Handler{DB: d.DB, Box: d.Box, Targets: d.WebhookTargets},
	}
	api.RegisterHandlersWithOptions(e, api.NewStrictHandler(handlers, []api.StrictMiddlewareFunc{requireGate}),
		api.RegisterHandlersOptions{OperationMiddlewares: gates(d.Contract, d.Lifecycle, gatekeeper{handlers.sessions, limits, overload, d.DB}, d.Box)})
	if err := sameOperations(d.Contract, e.Routes()); err != nil {
		return nil, err
	}
	refuseShadowed(e, d.Contract)
	if err := registerSystem(e, d); err != nil {
		return nil, err
	}
	measured.name(d.Contract, e.Routes())
	return headAsGet(e), nil
}

// registerSystem adds what is no operation of the document.
func registerSystem(e *echo.Echo, d Dependencies) error {
	if err := (system{contract: d.Contract, demo: d.Demo}).register(e); err != nil {
		return err
	}
	e.GET("/readyz", health{db: d.DB, limiter: d.Limiter, lifecycle: d.Lifecycle, asking: &singleflight.Group{}}.ready)
	if !d.MetricsElsewhere {
		e.GET("/metrics", echo.WrapHandler(MetricsHandler(d.Metrics, d.Log)))
	}
	return nil
}

func memoryOf(d Dependencies) *auth.Memory {
	if d.DB.HasReplica() {
		return nil
	}
	return d.Memory
}

// gates are the per-operation middleware, by operationId.
func gates(c *contract.Contract, l *Lifecycle, k gatekeeper, box *seal.Box) map[string][]echo.MiddlewareFunc {
	all := make(map[string][]echo.MiddlewareFunc, len(c.Operations))
	for id, op := range c.Operations {
		all[id] = before(l.started, k.gate(op), repeatable(op, box))
	}
	return all
}
