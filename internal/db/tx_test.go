package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

func TestInTx_successCommitsEverything(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		return errors.Join(insert(ctx, conn, "First"), insert(ctx, conn, "Second"))
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"First", "Second"}, s.names(t))
}

func TestInTx_errorInWorkLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	fault := errors.New("the second step does not work")
	err := s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		return errors.Join(insert(ctx, conn, "First"), fault)
	})
	require.ErrorIs(t, err, fault)
	assert.Empty(t, s.names(t))
	s.assertWhole(t, pool)
}

func TestInTx_panicLeavesNothingAndThePoolWhole(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	assert.PanicsWithValue(t, "a bug", func() {
		_ = s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			assert.NoError(t, insert(ctx, conn, "First"))
			panic("a bug")
		})
	})
	assert.Empty(t, s.names(t))
	s.assertWhole(t, pool)
}

func TestInTx_panicAmidAResultLeavesThePoolWhole(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	assert.Panics(t, func() {
		_ = s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, "select generate_series(1, 100000)")
			assert.NoError(t, err)
			assert.True(t, rows.Next())
			panic("a bug between two rows")
		})
	})
	s.assertWhole(t, pool)
}

func TestInTx_brokenConstraintAtStepTwoLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		if err := insert(ctx, conn, "First"); err != nil {
			return err
		}
		return insert(ctx, conn, "Taken")
	})
	requireKind(t, apperr.Conflict, err)
	e, _ := errors.AsType[*apperr.Error](err)
	assert.Equal(t, []apperr.Field{apperr.BodyField("unique", "Already in use", "name")}, e.Fields)
	assert.Equal(t, []string{"Taken"}, s.names(t))
}

func TestInTx_workThatSwallowsAnErrorDoesNotPassForSuccess(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		_ = insert(ctx, conn, "First")
		_ = insert(ctx, conn, "Taken")
		return nil
	})
	requireKind(t, apperr.Internal, err)
	assert.Equal(t, []string{"Taken"}, s.names(t))
}

func TestInTx_constraintCheckedAtCommit(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	s.Exec(t, "alter table "+s.schema+".institutions drop constraint institutions_name_key, "+
		"add constraint institutions_name_key unique (name) deferrable initially deferred")
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into institutions (id, name, code) values ($1, 'Taken', 'OTHER')", uuid.New())
		return err
	})
	requireKind(t, apperr.Conflict, err)
	assert.Equal(t, []string{"Taken"}, s.names(t))
}

func TestInTx_readOnlyRefusesWrites(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
		return insert(ctx, conn, "First")
	})
	require.ErrorContains(t, err, "read-only transaction")
	assert.Empty(t, s.names(t))
}

func TestInTx_isolationIsAsAsked(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for level, want := range map[db.Isolation]string{
		db.ReadCommitted: "read committed", db.RepeatableRead: "repeatable read", db.Serializable: "serializable",
	} {
		for _, readOnly := range []bool{false, true} {
			var isolation, mode string
			opts := db.Options{Isolation: level, ReadOnly: readOnly}
			err := s.run(t.Context(), s.DB, opts, func(ctx context.Context, conn *pgx.Conn) error {
				return conn.QueryRow(ctx, "select current_setting('transaction_isolation'), current_setting('transaction_read_only')").
					Scan(&isolation, &mode)
			})
			require.NoError(t, err)
			assert.Equal(t, want, isolation)
			assert.Equal(t, map[bool]string{false: "off", true: "on"}[readOnly], mode)
		}
	}
}

func TestInTx_refusesATransactionInsideAnother(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, _ *pgx.Conn) error {
		return s.run(ctx, s.DB, db.Options{}, func(context.Context, *pgx.Conn) error {
			t.Error("the inner one ran")
			return nil
		})
	})
	require.ErrorIs(t, err, db.ErrNested)
}

func TestInTxValue_returnsTheValueOnSuccessOnly(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "First")
	fault := errors.New("no")
	count := func(fault error) (int64, error) {
		return db.InTxValue(t.Context(), s.DB, db.Tenant(s.tenant.ID), db.ReadOnly,
			func(ctx context.Context, q *db.Queries) (int64, error) {
				n, err := q.CountInstitutions(ctx, 10)
				return n, errors.Join(err, fault)
			})
	}
	n, err := count(nil)
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)

	n, err = count(fault)
	require.ErrorIs(t, err, fault)
	assert.Zero(t, n)
}

func TestInTx_noRowIsNotFound(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
		_, err := q.GetInstitution(ctx, uuid.New())
		return err
	})
	requireKind(t, apperr.NotFound, err)
}
