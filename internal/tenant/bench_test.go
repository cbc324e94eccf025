package tenant_test

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// BenchmarkUp is the time of an upgrade over ROLLCALL_BENCH_TENANTS tenants (default 100) that have it already, and of one that goes
// through all of them.
func BenchmarkUp(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("ROLLCALL_BENCH_TENANTS"), "100"))
	require.NoError(b, err)
	d := dbtest.New(b)
	var group errgroup.Group
	group.SetLimit(tenant.DefaultParallel)
	for i := range n {
		group.Go(func() error {
			_, err := d.Registry().Create(b.Context(), tenant.CreateParams{Slug: fmt.Sprintf("school-%d", i), Name: "School"})
			return err
		})
	}
	require.NoError(b, group.Wait())
	for _, recheck := range []bool{false, true} {
		b.Run(fmt.Sprintf("tenants=%d/recheck=%t", n, recheck), func(b *testing.B) {
			m := tenant.NewMigrator(d.URL)
			m.Recheck = recheck
			for b.Loop() {
				require.NoError(b, m.Up(b.Context(), nil))
			}
		})
	}
}
