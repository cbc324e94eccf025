package db_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
)

func TestID_roundTrip(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe} { // without a pooler, and with one
		want := []uuid.UUID{uuid.New(), uuid.Nil, uuid.Max}
		var got uuid.UUID
		var pointer, none *uuid.UUID
		var all []uuid.UUID
		var text string
		require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select $1::uuid, $1::uuid, null::uuid, $2::uuid[], $1::uuid::text", mode, want[0], want).
				Scan(&got, &pointer, &none, &all, &text)
		}), mode)
		assert.Equal(t, want[0], got, mode)
		assert.Equal(t, &want[0], pointer, mode)
		assert.Nil(t, none, mode)
		assert.Equal(t, want, all, mode)
		assert.Equal(t, want[0].String(), text, mode)
	}
}

func TestID_nullIsNoID(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	var got uuid.UUID
	err := s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select null::uuid").Scan(&got)
	})
	require.ErrorContains(t, err, "cannot scan NULL")
}

func TestID_isReadWithoutAllocating(t *testing.T) { //nolint:paralleltest // counts what the process allocates
	types := pgtype.NewMap()
	db.RegisterTypes(types)
	want := uuid.New()
	var got uuid.UUID
	plan := types.PlanScan(pgtype.UUIDOID, pgtype.BinaryFormatCode, &got)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := plan.Scan(want[:], &got); err != nil {
			t.Error(err)
		}
	}))
	assert.Equal(t, want, got)
}
