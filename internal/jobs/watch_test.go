package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/jobs"
	"github.com/rollcall-erp/rollcall/internal/tracing"
)

func TestMetrics_countTheJobsOfEachQueueByState(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	metrics := prometheus.NewRegistry()
	_, err := jobs.New(jobs.Config{DB: d.DB, Log: slog.New(slog.DiscardHandler), Metrics: metrics})
	require.NoError(t, err)
	d.Exec(t, `insert into river.river_job (queue, state, scheduled_at, finalized_at, kind, args) values
		('default', 'available', now() - interval '10 minutes', null, 'task', '{}'), ('default', 'available', now(), null, 'task', '{}'),
		('default', 'running', now() - interval '1 hour', null, 'task', '{}'), ('due', 'discarded', '2026-01-01', now(), 'task', '{}'),
		('due', 'completed', '2026-01-01', now(), 'task', '{}')`)
	families, err := metrics.Gather()
	require.NoError(t, err)
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetValue())
			}
			found[strings.Join(name, " ")] = m.GetGauge().GetValue()
		}
	}
	assert.InDelta(t, 600, found["rollcall_job_oldest_waiting_seconds default"], 60)
	delete(found, "rollcall_job_oldest_waiting_seconds default")
	want := map[string]float64{"rollcall_job_oldest_waiting_seconds due": 0}
	for _, queue := range []string{"default", "due"} {
		for _, state := range []string{"available", "cancelled", "discarded", "pending", "retryable", "running", "scheduled"} {
			want["rollcall_jobs "+queue+" "+state] = 0
		}
	}
	want["rollcall_jobs default available"], want["rollcall_jobs default running"], want["rollcall_jobs due discarded"] = 2, 1, 1
	assert.Equal(t, want, found)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestTrace_aJobIsASpanWithItsTransactionsAndNothingOfItsError(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	exporter := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test")
	pool := d.Open(t, db.Config{MaxConns: jobs.MinConns, Tracer: tracing.Within(tracer)})
	task := jobs.Task{Name: "probe", Every: time.Hour, Run: func(ctx context.Context, tenant uuid.UUID) error {
		err := pool.InTx(ctx, db.Tenant(tenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeleteOldKeys(ctx, time.Now(), 1)
			return err
		})
		return errors.Join(err, errors.New("broken for asha.verma@demo.school"))
	}}
	runner, err := jobs.New(jobs.Config{
		DB: pool, Tasks: []jobs.Task{task}, Tick: time.Second, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Tracer: tracer,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	named := func(name string) (all tracetest.SpanStubs) {
		for _, s := range exporter.GetSpans() {
			if s.Name == name {
				all = append(all, s)
			}
		}
		return all
	}
	assert.Eventually(t, func() bool { return len(named("probe")) > 0 }, soon, 20*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	probe := named("probe")[0]
	assert.Equal(t, codes.Error, probe.Status.Code)
	attributes := map[string]string{}
	for _, a := range probe.Attributes {
		attributes[string(a.Key)] = a.Value.String()
	}
	assert.Equal(t, id.String(), attributes["rollcall.tenant"])
	assert.Equal(t, "default", attributes["rollcall.queue"])
	assert.Contains(t, attributes, "rollcall.waited_ms")
	assert.NotEmpty(t, named("dispatch"))
	within := 0
	for _, s := range exporter.GetSpans() {
		if s.Parent.SpanID() == probe.SpanContext.SpanID() {
			within++
		}
		assert.True(t, s.Parent.IsValid() || s.Name == "probe" || s.Name == "dispatch", "%s is in no job", s.Name)
	}
	assert.Equal(t, 3, within, "it is claimed, done and noted")
	assert.NotContains(t, fmt.Sprintf("%+v", exporter.GetSpans()), "asha.verma")
}
