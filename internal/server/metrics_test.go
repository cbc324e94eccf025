package server_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/server"
)

func (h *harness) metrics() string {
	h.t.Helper()
	got := h.do(call{Method: http.MethodGet, Path: "/metrics"})
	require.Equal(h.t, http.StatusOK, got.Status)
	return string(got.Raw)
}

func TestMetrics_requestsAreCountedByOperationMethodAndStatusClass(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("registrar")
	for range 2 {
		h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token})
	}
	h.do(call{Method: http.MethodHead, Path: "/v1/students/" + asha, Token: token})
	h.do(call{Method: http.MethodGet, Path: "/v1/students/17", Token: token})
	h.do(call{Method: "BREW", Path: "/v1/students"})
	h.do(call{Method: http.MethodGet, Path: "/nothing/here/canary"})
	h.do(call{Method: http.MethodGet, Path: "/livez"})
	text := h.metrics()
	for _, line := range []string{
		`rollcall_http_request_duration_seconds_count{method="GET",operation="getStudent",status="2xx"} 3`,
		`rollcall_http_request_duration_seconds_count{method="GET",operation="getStudent",status="4xx"} 1`,
		`rollcall_http_request_duration_seconds_count{method="other",operation="unknown",status="4xx"} 1`,
		`rollcall_http_request_duration_seconds_count{method="GET",operation="unknown",status="4xx"} 1`,
		`rollcall_http_request_duration_seconds_count{method="GET",operation="system",status="2xx"} 1`,
	} {
		assert.Contains(t, text, line)
	}
	assert.NotContains(t, text, "canary")
	assert.NotContains(t, text, asha)
	assert.Contains(t, text, "go_goroutines")
}

// Whatever clients send, there are no more time series than the document has operations.
func TestMetrics_labelsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, op := range h.contract.Operations {
		h.do(h.callFor(op, shape{}, nil))
	}
	label := regexp.MustCompile(`operation="([^"]*)"`)
	allowed := []string{"system", "unknown"}
	for id := range h.contract.Operations {
		allowed = append(allowed, id)
	}
	seen := map[string]bool{}
	for _, found := range label.FindAllStringSubmatch(h.metrics(), -1) {
		assert.Contains(t, allowed, found[1])
		seen[found[1]] = true
	}
	for id := range h.contract.Operations {
		assert.True(t, seen[id], "%s was not measured under its name", id)
	}
}

func TestMetrics_areNamedByTheRules(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	problems, err := promlint.New(strings.NewReader(h.metrics())).Lint()
	require.NoError(t, err)
	problems = slices.DeleteFunc(problems, func(p promlint.Problem) bool { return !strings.HasPrefix(p.Metric, "rollcall_") })
	assert.Empty(t, problems)
}

func TestMetrics_haveAListenerOfTheirOwnIfWanted(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	c, err := document()
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, statusOf(t, h, c, "/metrics"))
	registry := server.NewMetrics()
	recorder := httptest.NewRecorder()
	server.MetricsHandler(registry, newLogger(h.contract, h.log)).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	assert.Equal(t, http.StatusOK, recorder.Code)
	assert.Contains(t, recorder.Body.String(), "go_goroutines")
}

// statusOf asks a server that leaves metrics to another listener.
func statusOf(t *testing.T, h *harness, c *contract.Contract, path string) int {
	t.Helper()
	e, err := server.New(server.Dependencies{
		DB: h.db.DB, Contract: c, Box: testBox(), Log: newLogger(h.contract, h.log), Metrics: server.NewMetrics(), MetricsElsewhere: true,
		Limiter: newLimiter(t, ratelimit.Config{}),
	})
	require.NoError(t, err)
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code
}
