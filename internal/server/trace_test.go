package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
)

// newTraced is a service whose spans are kept.
func newTraced(t *testing.T, adjust ...func(*server.Dependencies)) (*harness, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.WithoutCancel(t.Context()))) })
	tracer := provider.Tracer("test")
	adjust = append(adjust, func(d *server.Dependencies) { d.Tracer = tracer })
	h := newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4, Tracer: tracer}, adjust...)
	exporter.Reset()
	return h, exporter
}

// tree is the spans below a parent as "name(child child)", in the order in which they began.
func tree(spans tracetest.SpanStubs, parent trace.SpanID) string {
	var all []string
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range spans {
		if s.Parent.SpanID() == parent {
			name := s.Name
			if below := tree(spans, s.SpanContext.SpanID()); below != "" {
				name += "(" + below + ")"
			}
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// attributes are those of the first span of a name.
func attributes(spans tracetest.SpanStubs, name string) map[string]string {
	all := map[string]string{}
	for _, s := range spans {
		if s.Name == name {
			for _, a := range s.Attributes {
				all[string(a.Key)] = a.Value.String()
			}
			return all
		}
	}
	return all
}

func TestTrace_anAdmissionIsATreeOfItsTransactionsAndQueries(t *testing.T) {
	t.Parallel()
	h, exporter := newTraced(t)
	login := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{
		"tenant": "demo", "email": "registrar@demo.school", "password": seed.DemoPassword,
	}})
	require.Equal(t, http.StatusOK, login.Status)
	token, _ := login.get("token").(string)
	exporter.Reset()
	got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: knownStudent})
	require.Equal(t, http.StatusCreated, got.Status, string(got.Raw))
	spans := exporter.GetSpans()
	shape := tree(spans, trace.SpanID{})
	assert.True(t, strings.HasPrefix(shape, "admitStudent(transaction(begin "), shape)
	for _, query := range []string{"LiveSession", "AdmitStudents", "OpenEnrollments", "commit"} {
		assert.Contains(t, shape, query)
	}
	assert.NotContains(t, shape, "statement", "every statement has a name")
	assert.Equal(t, map[string]string{
		"http.request.method": "POST", "http.route": "/v1/students", "http.response.status_code": "201", "rollcall.tenant": seed.DemoTenant.String(),
	}, attributes(spans, "admitStudent"))
	assert.Equal(t, map[string]string{
		"db.system.name": "postgresql", "rollcall.attempts": "1", "rollcall.read_only": "true", "rollcall.tenant": seed.DemoTenant.String(),
	}, attributes(spans, "transaction"), "that of the session")
	assert.Contains(t, h.log.String(), "traceId="+spans[0].SpanContext.TraceID().String())
}

// knownStudent has personal data that is found nowhere else.
var knownStudent = map[string]any{
	"firstName": "Zubeida", "lastName": "Quillfeather", "admissionNumber": "TRACE-77", "admissionDate": "2026-06-01", "dateOfBirth": "2015-03-09",
	"email": "zubeida.q@canary.example", "phone": "+91 98765 00017", "aadharNumber": "987612345678", "address": "17 Canary Row",
	"institutionId": mainCampus, "academicYearId": year2026, "classId": grade5, "sectionId": grade5A,
}

// What the requests say of persons, and what is said of them by the service, is in no span: not in its name, attributes, events or
// status.
func TestTrace_nothingPersonalIsInASpan(t *testing.T) {
	t.Parallel()
	h, exporter := newTraced(t)
	token := h.token("registrar")
	header := map[string]string{"User-Agent": "Canarybrowser/7", "X-Request-ID": "canary-request", "Idempotency-Key": "canary-key", "Traceparent": strangersTrace}
	for _, c := range []call{
		{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{"tenant": "demo", "email": "zubeida.q@canary.example", "password": "canary password 1"}},
		{Method: http.MethodPost, Path: "/v1/students", Body: knownStudent},
		{Method: http.MethodPost, Path: "/v1/students", Body: knownStudent}, // a conflict, whose error quotes a value
		{Method: http.MethodGet, Path: "/v1/students?q=quillfeather&limit=7"},
		{Method: http.MethodGet, Path: "/v1/students?nosuch=canary"},
		{Method: http.MethodGet, Path: "/v1/students/" + asha},
		{Method: http.MethodGet, Path: "/canary"},
	} {
		c.Token, c.Header = token, header
		h.do(c)
	}
	spans := exporter.GetSpans()
	require.NotEmpty(t, spans)
	var all strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&all, " %s %v %v %v %v", s.Name, s.Attributes, s.Events, s.Status, s.Links)
		assert.Empty(t, s.Status.Description)
		assert.False(t, s.Parent.IsRemote(), "nobody has said that a stranger begins our traces")
	}
	text := strings.ToLower(all.String())
	for _, canary := range []string{
		"zubeida", "quillfeather", "canary", "trace-77", "2015-03-09", "98765 000", "987612345678", "registrar@", "127.0.0.1", asha, "?", token,
	} {
		assert.NotContains(t, text, strings.ToLower(canary))
	}
}

const (
	strangersTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	strangersTrace   = "00-" + strangersTraceID + "-00f067aa0ba902b7-01"
)

func TestTrace_goesOnFromATrustedProxy(t *testing.T) {
	t.Parallel()
	h, exporter := newTraced(t, believingLocal)
	h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: h.token("registrar"), Header: map[string]string{"Traceparent": strangersTrace}})
	for _, s := range exporter.GetSpans() {
		assert.Equal(t, strangersTraceID, s.SpanContext.TraceID().String(), s.Name)
	}
	assert.Len(t, exporter.GetSpans().Snapshots()[0].Attributes(), 2, "of a statement: system and name")
}

func TestTrace_faultsAreSeenAndHealthIsNot(t *testing.T) {
	t.Parallel()
	h, exporter := newTraced(t)
	token := h.token("registrar")
	h.do(call{Method: http.MethodGet, Path: "/livez"})
	h.do(call{Method: http.MethodGet, Path: "/nothing"})
	h.do(call{Method: http.MethodGet, Path: "/readyz"})
	assert.Empty(t, tree(exporter.GetSpans(), trace.SpanID{}))

	h.db.Exec(t, `alter view `+h.schema()+`.student_records rename to gone`)
	got := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token})
	require.Equal(t, http.StatusInternalServerError, got.Status)
	spans := exporter.GetSpans()
	assert.Equal(t, "500", attributes(spans, "getStudent")["http.response.status_code"])
	failed := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool {
		return attributes(tracetest.SpanStubs{s}, s.Name)["db.response.status_code"] == "42P01"
	})
	require.GreaterOrEqual(t, failed, 0, "SQLSTATE of the statement that failed")
	assert.Equal(t, "Error", spans[failed].Status.Code.String())
}
