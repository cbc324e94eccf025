package db_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

func TestTrace_aTransactionSaysHowManyTriesItTook(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test")
	s := newSchool(t)
	d := s.Open(t, db.Config{Tracer: tracer})
	tries := 0
	err := d.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		if tries++; tries < 3 {
			return &pgconn.PgError{Code: "40001", Message: "quotes a value"}
		}
		_, err := q.CountStudents(ctx, gendb.CountStudentsParams{Most: 10})
		return err
	})
	require.NoError(t, err)
	names := map[string]int{}
	for _, span := range exporter.GetSpans() {
		names[span.Name]++
		if span.Name == "transaction" {
			assert.Contains(t, span.Attributes, attribute.Int("rollcall.attempts", 3))
		}
	}
	assert.Equal(t, map[string]int{"transaction": 1, "begin": 1, "CountStudents": 1, "commit": 1}, names)

	exporter.Reset()
	require.Error(t, d.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{Attempts: 1}, func(context.Context, *db.Queries) error {
		return &pgconn.PgError{Code: "40001", Message: "quotes a value"}
	}))
	spans := exporter.GetSpans()
	last := spans[len(spans)-1]
	assert.Equal(t, "transaction", last.Name)
	assert.Equal(t, "Error", last.Status.Code.String())
	assert.Empty(t, last.Status.Description)
	assert.Empty(t, last.Events)
}
