package db_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// BenchmarkInTx is one transaction with one small query: begin and scope, the query, commit.
func BenchmarkInTx(b *testing.B) {
	d := dbtest.New(b)
	demo := d.Tenant(b, "demo")
	count := func(ctx context.Context, q *db.Queries) error {
		_, err := q.CountInstitutions(ctx, 10)
		return err
	}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, d.DB.InTx(b.Context(), db.Tenant(demo.ID), db.ReadOnly, count))
	}
}

// BenchmarkVisibility reads one student in views of each kind: what a limited one costs besides.
func BenchmarkVisibility(b *testing.B) {
	s := newDemo(b)
	own := db.Tenant(s.tenant.ID)
	for name, scope := range map[string]db.Scope{
		"all rows": own, "one institution": own.Limited(db.Visibility{Institutions: []uuid.UUID{row(101)}}),
		"teacher": own.Limited(teacher), "guardian": own.Limited(guardian),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, s.DB.InTx(b.Context(), scope, db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
					_, err := q.GetStudent(ctx, row(601))
					return err
				}))
			}
		})
	}
}
