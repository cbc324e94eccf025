package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// NewMetrics makes a registry with what the process itself reports. One a server; there is no global one.
func NewMetrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
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

// Labels of requests that are no operation of the document.
const (
	systemRoute  = "system" // health, document, docs, metrics
	unknownRoute = "unknown"
)

// requests measures requests. Every label has few values, none of them a client's: operationId, known method, class of
// status; never a path or a tenant.
type requests struct {
	duration   *prometheus.HistogramVec
	operations map[string]string // operationId or systemRoute by method and route
}

func newRequests(registry prometheus.Registerer) (*requests, error) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_duration_seconds", Help: "How long requests took, by operationId, method and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"operation", "method", "status"})
	if err := registry.Register(duration); err != nil {
		return nil, fmt.Errorf("register the metrics of requests: %w", err)
	}
	return &requests{duration: duration}, nil
}

// name learns the names of all routes, when they are complete.
func (r *requests) name(c *contract.Contract, routes []*echo.Route) {
	r.operations = make(map[string]string, len(routes))
	for _, route := range routes {
		r.operations[route.Method+" "+route.Path] = systemRoute
	}
	for id, op := range c.Operations {
		r.operations[op.Method+" "+echoPath(op.Path)] = id
	}
}

func (r *requests) measure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		err := next(c)
		operation, known := r.operations[c.Request().Method+" "+c.Path()]
		if !known {
			operation = unknownRoute
		}
		status := strconv.Itoa(c.Response().Status/100) + "xx"
		r.duration.WithLabelValues(operation, knownMethod(c.Request().Method), status).Observe(time.Since(start).Seconds())
		return err
	}
}
