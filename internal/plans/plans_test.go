package plans_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/plans"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// schools is a database with a tenant of 10,000 students: with fewer the planner is right to read a table whole.
func schools(t *testing.T) (*dbtest.Database, uuid.UUID) {
	t.Helper()
	d := dbtest.NewFrom(t, "schools", func(ctx context.Context, url string) error {
		pool, err := db.Open(ctx, db.Config{URL: url})
		if err != nil {
			return err
		}
		defer pool.Close()
		made, err := tenant.NewRegistry(pool, url).Create(ctx, tenant.CreateParams{Slug: "schools", Name: "Schools"})
		if err != nil {
			return err
		}
		return large.Fill(ctx, pool, made.ID, large.Size{Students: 10_000, Years: 2, AttendanceDays: 2, PasswordHash: "nobody's"}, nil)
	})
	made, err := d.Registry().BySlug(t.Context(), "schools")
	require.NoError(t, err)
	return d, made.ID
}

// The same as `rollcall plans`; `make indexes` does it with 200,000 students.
func TestMeasure_noQueryReadsMuchMoreThanItReturns(t *testing.T) {
	t.Parallel()
	d, id := schools(t)
	result, err := plans.Measure(t.Context(), d.DB, id, plans.Options{FillRegistry: true})
	require.NoError(t, err)
	var report strings.Builder
	assert.False(t, result.PrintFaults(&report, false), "the rule, and what to do: docs/indexes.md")
	t.Log(report.String())

	measured, views, generic := map[string]bool{}, map[string]bool{}, 0
	for _, r := range result.Readings {
		measured[r.Query], views[r.View] = true, true
		if r.Generic {
			generic++
		}
	}
	for _, q := range result.Queries {
		assert.True(t, measured[q.Name], "%s was measured", q.Name)
	}
	assert.Len(t, views, 5)
	assert.Positive(t, generic, "plans without arguments were measured too")
	assert.Len(t, dbtest.Values[string](t, d, "select slug from control.tenants"), 1, "nothing stays")
	assert.Equal(t, 10_000, dbtest.Value[int](t, d, "select count(*)::int from "+db.SchemaName(id)+".students where version = 1"), "nothing stays")
}

func TestCompare_saysWhatTheIndexesAreWorthAndWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	d, id := schools(t)
	schema := db.SchemaName(id)
	d.Exec(t, "create index users_by_last_name on "+schema+".users (last_name)")
	d.Exec(t, "create index enrollments_by_reason on "+schema+".enrollments (reason)")
	comparison, err := plans.Compare(t.Context(), d.DB, id, plans.Options{FillRegistry: true})
	require.NoError(t, err)

	var page, report strings.Builder
	comparison.Markdown(&page, "a command")
	assert.Contains(t, page.String(), "`a command` wrote this page: a throw-away tenant of 10000 students")
	assert.Contains(t, page.String(), "| ListStudentsByName | ")
	assert.Contains(t, page.String(), "| students_search_idx | ")

	assert.True(t, comparison.With.PrintFaults(&report, true))
	assert.Contains(t, report.String(), "users_by_last_name is superfluous: users_name_idx begins with the same columns")
	assert.Contains(t, report.String(), "enrollments_by_reason is used by no query")
	report.Reset()
	assert.True(t, comparison.Without.PrintFaults(&report, false))
	assert.Contains(t, report.String(), "ListStudentsByName, seen by all, with -: reads 10000 rows of students sequentially")
	assert.Contains(t, report.String(), "KnownAddresses, seen by all")
}

func TestDeep_walksByCursor(t *testing.T) {
	t.Parallel()
	d, id := schools(t)
	depths, err := plans.Deep(t.Context(), d.DB, id, 400)
	require.NoError(t, err)
	require.Len(t, depths, 3)
	for _, depth := range depths {
		assert.Equal(t, 400, depth.Steps, depth.List)
		assert.Positive(t, depth.Ratio(), depth.List)
	}
	_, err = plans.Deep(t.Context(), d.DB, id, 1000)
	require.ErrorContains(t, err, "only 499 pages")
}

func TestMeasure_wantsATenantWithStudents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	_, err := plans.Measure(t.Context(), d.DB, d.Tenant(t, "empty").ID, plans.Options{})
	require.ErrorContains(t, err, "rollcall seed")
}

func TestMeasure_saysThatATenantIsTooSmall(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "small").ID
	require.NoError(t, large.Fill(t.Context(), d.DB, id, large.Size{Students: 20, Years: 2, AttendanceDays: 1}, nil))
	_, err := plans.Measure(t.Context(), d.DB, id, plans.Options{})
	require.ErrorContains(t, err, "too few rows to find arguments among")
}
