package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof" // its side effect is on http.DefaultServeMux, which nothing serves
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/version"
)

// NewMetrics makes a registry with what the process itself reports. One a server; there is no global one.
func NewMetrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newBuild())
	return registry
}

// newBuild is always 1: its labels say which program this is.
func newBuild() prometheus.Collector {
	b := version.Read()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_build_info", Help: "The program that runs, by version, commit and version of Go.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "go_version": b.Go},
	}, func() float64 { return 1 })
}

// metricsAtOnce bounds how much work can be asked for without a sign-in.
const metricsAtOnce = 4

// MetricsHandler answers with a registry's metrics. What cannot be collected is left out and logged.
func MetricsHandler(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: metricsAtOnce,
	})
}

// OperatorHandler is what the metrics' own listener serves: /metrics, and under /debug/pprof/ the profiles of package
// net/http/pprof. Profiles are nowhere else, since they stop the world and show what is in memory.
func OperatorHandler(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", MetricsHandler(registry, log))
	routes.HandleFunc("GET /debug/pprof/", pprof.Index) // every profile that has a name too
	routes.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	routes.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	routes.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	routes.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return routes
}

// Labels of requests that are no operation of the document.
const (
	systemRoute  = "system" // health, document, docs, metrics
	unknownRoute = "unknown"
)

// requests measures requests. Every label has few values, none of them a client's: operationId, known method, status; never a
// path or a tenant. A duration has the class of the status only: it is a dozen series, not one.
type requests struct {
	duration   *prometheus.HistogramVec
	answers    *prometheus.CounterVec
	operations map[route]string // operationId or systemRoute
}

// route is a method, and a path in echo's spelling.
type route struct{ method, path string }

func newRequests(registry prometheus.Registerer) (*requests, error) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_duration_seconds", Help: "How long requests took, by operationId, method and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"operation", "method", "status"})
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_http_requests_total", Help: "Requests that were answered, by operationId, method and status.",
	}, []string{"operation", "method", "status"})
	if err := errors.Join(registry.Register(duration), registry.Register(answers)); err != nil {
		return nil, fmt.Errorf("register the metrics of requests: %w", err)
	}
	return &requests{duration: duration, answers: answers}, nil
}

// name learns the names of all routes, when they are complete.
func (r *requests) name(c *contract.Contract, routes []*echo.Route) {
	r.operations = make(map[route]string, len(routes))
	for _, known := range routes {
		r.operations[route{known.Method, known.Path}] = systemRoute
	}
	for id, op := range c.Operations {
		r.operations[route{op.Method, echoPath(op.Path)}] = id
	}
}

func (r *requests) measure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		err := next(c)
		operation, method, status := r.operation(c), knownMethod(c.Request().Method), c.Response().Status
		r.duration.WithLabelValues(operation, method, strconv.Itoa(status/100)+"xx").Observe(time.Since(start).Seconds())
		r.answers.WithLabelValues(operation, method, strconv.Itoa(status)).Inc()
		return err
	}
}

// operation is the request's operationId, systemRoute or unknownRoute.
func (r *requests) operation(c echo.Context) string {
	if name, known := r.operations[route{c.Request().Method, c.Path()}]; known {
		return name
	}
	return unknownRoute
}
