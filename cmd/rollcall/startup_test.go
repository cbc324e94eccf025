package main

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// addTenants creates so many tenants, as `rollcall tenant create` does.
func addTenants(tb testing.TB, d *dbtest.Database, n int) {
	tb.Helper()
	group, ctx := errgroup.WithContext(tb.Context())
	group.SetLimit(4)
	for i := range n {
		group.Go(func() error {
			_, err := d.Registry().Create(ctx, tenant.CreateParams{Slug: fmt.Sprintf("school-%d", i), Name: "A school"})
			return err
		})
	}
	require.NoError(tb, group.Wait())
}

// startTrips is how many exchanges with the database it takes to start. What hears of sessions that end connects beside the rest, and is
// waited for.
func startTrips(t *testing.T, d *dbtest.Database) int64 {
	t.Helper()
	trips := &dbtest.RoundTrips{}
	s := startServe(t, "DATABASE_URL="+trips.Proxy(t, d.URL), "ROLLCALL_JOBS=off", "ROLLCALL_DRAIN_DELAY=0s")
	defer s.end()
	require.Eventually(t, func() bool { return s.said(`"serving"`) }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool {
		return dbtest.Value[bool](t, d, `select exists (select from pg_catalog.pg_stat_activity
			where datname = current_database() and application_name = 'rollcall-listen' and state = 'idle' and query like 'listen %')`)
	}, time.Minute, time.Millisecond)
	return trips.Count()
}

func TestServe_startAsksTheDatabaseNoMoreForMoreTenants(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	none := startTrips(t, d)
	addTenants(t, d, 12)
	assert.Equal(t, none, startTrips(t, d))
	assert.Less(t, none, int64(30))
}

// BenchmarkServe_ready is the time from the start of the program to the first 200 of /readyz, and the processor time of all of
// its short life, with ROLLCALL_BENCH_TENANTS tenants (default 100) that are made first: see make startup.
func BenchmarkServe_ready(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("ROLLCALL_BENCH_TENANTS"), "100"))
	require.NoError(b, err)
	d := dbtest.New(b)
	for _, more := range []int{0, n} {
		begin := time.Now()
		addTenants(b, d, more)
		b.Logf("%d tenants made in %s", more, time.Since(begin).Round(time.Second))
		b.Run(fmt.Sprintf("tenants=%d", more), func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				s := startServe(b, "DATABASE_URL="+d.URL, "ROLLCALL_DRAIN_DELAY=0s")
				once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				for s.status(once, "/readyz") != http.StatusOK {
					time.Sleep(time.Millisecond)
				}
				b.StopTimer()
				s.end()
				cpu += s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
