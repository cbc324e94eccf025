package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// together runs pieces of work twice: with begin before them, and with begin in their exchange.
func (s school) together(t *testing.T, opts db.Options, pieces ...db.Func) error {
	t.Helper()
	pool := s.Open(t, db.Config{MaxConns: 1})
	var err error
	for range 2 {
		err = pool.InTx(t.Context(), db.Tenant(s.tenant.ID), opts, func(ctx context.Context, _ *db.Queries) error {
			return db.Together(db.Last(ctx), pieces...)
		})
		s.assertWhole(t, pool)
	}
	return err
}

func TestTogether_eachPieceGetsItsOwnReply(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "A")
	s.add(t, "B")
	var count int64
	var name string
	err := s.together(t, db.ReadOnly,
		func(ctx context.Context, q *db.Queries) (err error) {
			count, err = q.CountInstitutions(ctx, 10)
			return err
		},
		func(context.Context, *db.Queries) error { return nil },
		func(ctx context.Context, q *db.Queries) error {
			rows, err := q.ListInstitutions(ctx, gendb.ListInstitutionsParams{RowLimit: 1})
			if err == nil {
				name = rows[0].Name
			}
			return err
		})
	require.NoError(t, err)
	assert.EqualValues(t, 2, count)
	assert.Equal(t, "A", name)
}

func TestTogether_theFirstFailureIsTheErrorAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	write := func(name string) db.Func {
		return func(ctx context.Context, q *db.Queries) error {
			_, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{
				ID: uuid.New(), Name: name, Code: code(name), TimeZone: "Asia/Kolkata", WorkingDays: []string{"monday"}, IsActive: true,
			})
			return err
		}
	}
	requireKind(t, apperr.Conflict, s.together(t, db.Options{}, write("First"), write("Taken"), write("Third")))
	fault := errors.New("a rule")
	require.ErrorIs(t, s.together(t, db.Options{}, write("First"), func(context.Context, *db.Queries) error { return fault }), fault, "nothing was sent")
	assert.Equal(t, []string{"Taken"}, s.names(t))
}

func TestTogether_aPieceHasOneStatement(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	require.ErrorIs(t, s.together(t, db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
		_, first := q.CountInstitutions(ctx, 10)
		_, second := q.CountInstitutions(ctx, 10)
		return errors.Join(first, second)
	}), db.ErrOneByOne)
}

func TestTogether_panicsComeOutAndLeaveThePoolWhole(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	assert.PanicsWithValue(t, "a bug", func() {
		_ = pool.InTx(t.Context(), db.Tenant(s.tenant.ID), db.ReadOnly, func(ctx context.Context, _ *db.Queries) error {
			return db.Together(ctx,
				func(ctx context.Context, q *db.Queries) error {
					_, err := q.CountInstitutions(ctx, 10)
					assert.NoError(t, err)
					panic("a bug")
				},
				func(ctx context.Context, q *db.Queries) error {
					_, err := q.CountInstitutions(ctx, 10)
					return err
				})
		})
	})
	s.assertWhole(t, pool)
}
