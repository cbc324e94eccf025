package db_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

const filtered = "select 1 from t where ($1::uuid is null or a = $1)\n  and ($2::text is null\n       or b like $2) and c is null or d limit $3"

func TestVariant_isAStatementForEachCombinationOfFilters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set      []int
		want     string
		planEach bool
	}{
		"none": {
			nil, "select 1 from t where ($1::uuid is null or false and a = $1)\n  and ($2::text is null or false and b like $2) and c is null or d limit $3", true,
		},
		"an id": {
			[]int{1}, "select 1 from t where ($1::uuid is not null and a = $1)\n  and ($2::text is null or false and b like $2) and c is null or d limit $3", false,
		},
		"an id and a text": {
			[]int{1, 2}, "select 1 from t where ($1::uuid is not null and a = $1)\n  and ($2::text is not null and b like $2) and c is null or d limit $3", true,
		},
	} {
		text, planEach := db.Variant(filtered, func(n int) bool {
			return !slices.Contains(c.set, n)
		})
		assert.Equal(t, c.want, text, name)
		assert.Equal(t, c.planEach, planEach, name)
	}
	_, planEach := db.Variant("select 1 from t where ($1::uuid is null or id < $1)", func(int) bool { return false })
	assert.True(t, planEach, "a range of ids")
	text, planEach := db.Variant("select 1 from t where a is null or b = $1", func(int) bool { return true })
	assert.Equal(t, "select 1 from t where a is null or b = $1", text, "no optional filter")
	assert.False(t, planEach)
}

// Filters that are set and unset in turn on one connection: each list is its own.
func TestInTx_listsWithAndWithoutFilters(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "A")
	s.add(t, "B")
	pool := s.Open(t, db.Config{MaxConns: 1})
	for range 8 { // beyond where the server thinks of a generic plan
		require.NoError(t, pool.InTx(t.Context(), db.Tenant(s.tenant.ID), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
			all, err := q.ListInstitutions(ctx, gendb.ListInstitutionsParams{RowLimit: 10})
			require.NoError(t, err)
			require.Len(t, all, 2)
			behind, err := q.ListInstitutions(ctx, gendb.ListInstitutionsParams{AfterID: &all[0].ID, AfterName: &all[0].Name, RowLimit: 10})
			require.NoError(t, err)
			require.Len(t, behind, 1)
			none, err := q.CountStudents(ctx, gendb.CountStudentsParams{InstitutionID: new(uuid.New()), Status: new("active"), Most: 10})
			require.NoError(t, err)
			require.Zero(t, none)
			return nil
		}))
	}
}

func TestRehearse_leavesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	require.NoError(t, s.DB.Rehearse(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, raw db.Raw) error {
		_, err := raw.Exec(ctx, "insert into institutions (id, name, code) values ($1, 'A', 'A')", uuid.New())
		return err
	}))
	assert.Empty(t, s.names(t))
}

func TestLoad_writesAsTheOwner(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	var owner string
	require.NoError(t, s.DB.Load(t.Context(), s.tenant.ID, db.Options{}, func(ctx context.Context, raw db.Raw) error {
		if _, err := raw.Exec(ctx, "insert into institutions (id, name, code) values ($1, 'A', 'A')", uuid.New()); err != nil {
			return err
		}
		return raw.QueryRow(ctx, "select current_user::text").Scan(&owner)
	}))
	assert.NotEqual(t, s.schema, owner)
	assert.Equal(t, []string{"A"}, s.names(t))
	require.NoError(t, s.DB.Vacuum(t.Context(), s.tenant.ID))
}
