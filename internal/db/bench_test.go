package db_test

import (
	"context"
	"testing"

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
