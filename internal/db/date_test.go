package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

func date(year int, month time.Month, day int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

func TestDate_roundTrip(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
		pgx.QueryExecModeSimpleProtocol,
	}
	for _, want := range []openapi_types.Date{
		date(2012, time.February, 29), date(1, time.January, 1), date(1969, time.December, 31), date(9999, time.December, 31),
	} {
		for _, mode := range modes {
			var got openapi_types.Date
			var text string
			require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
				return conn.QueryRow(ctx, "select $1::date, $1::date::text", mode, want).Scan(&got, &text)
			}))
			assert.Equal(t, want, got, mode)
			assert.Equal(t, want.Format(time.DateOnly), text, mode)
		}
	}
}

func TestDate_nullable(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	day := date(2012, time.February, 29)
	for _, want := range []*openapi_types.Date{nil, &day} {
		var got *openapi_types.Date
		require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select $1::date", want).Scan(&got)
		}))
		assert.Equal(t, want, got)
	}
}

func TestDate_nullIsNoDate(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	var got openapi_types.Date
	require.ErrorContains(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select null::date").Scan(&got)
	}), "NULL")
}

func TestDate_inAGeneratedQuery(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution, start, end := uuid.New(), date(2026, time.June, 1), date(2027, time.March, 31)
	year, err := db.InTxValue(t.Context(), s.DB, db.Tenant(s.tenant.ID), db.Options{},
		func(ctx context.Context, q *db.Queries) (gendb.AcademicYear, error) {
			_, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{ID: institution, Name: "A", Code: "A", TimeZone: "UTC"})
			if err != nil {
				return gendb.AcademicYear{}, err
			}
			return q.CreateAcademicYear(ctx, gendb.CreateAcademicYearParams{
				ID: uuid.New(), InstitutionID: institution, Name: "2026-27", StartDate: start, EndDate: end,
			})
		})
	require.NoError(t, err)
	assert.Equal(t, start, year.StartDate)
	assert.Equal(t, end, year.EndDate)
}

func TestTime_isReadInUTC(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		var got time.Time
		require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select now()", mode).Scan(&got)
		}))
		assert.Same(t, time.UTC, got.Location(), "whatever the zone of the process: %v", mode)
	}
}
