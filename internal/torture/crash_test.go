package torture_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/torture"
)

// newDemoCluster is a PostgreSQL of the test's own, with the demo.
func newDemoCluster(t *testing.T) *dbtest.Cluster {
	t.Helper()
	c := dbtest.NewCluster(t)
	require.NoError(t, tenant.NewMigrator(c.URL).Up(t.Context(), nil))
	require.NoError(t, seedDemo(t.Context(), c.URL))
	return c
}

const recoveryLimit = 5 * time.Second

func TestFreeze_requestsFailInBoundedTimeTheBreakerOpensAndItRecovers(t *testing.T) {
	t.Parallel()
	c := newDemoCluster(t)
	config := db.Config{URL: c.URL, MaxConns: 12}
	s := newService(t, options{config: config, direct: c.URL})
	s.recovery(s.read, 20*time.Second) // the first request, on a machine that may be busy
	l := s.start(8, 8)
	time.Sleep(200 * time.Millisecond)
	c.Freeze(t)
	frozen := time.Now()
	require.Eventually(t, func() bool { return s.db.Health(t.Context()).Breaker == "open" }, 30*time.Second, 10*time.Millisecond)
	opened := time.Since(frozen)
	begin := time.Now()
	for time.Since(begin) < torture.For(2*time.Second, 27*time.Second) {
		assert.Equal(t, http.StatusServiceUnavailable, s.read())
		time.Sleep(20 * time.Millisecond)
	}
	c.Thaw(t)
	recovery := s.recovery(func() int { return s.admit("T-thawed") }, 30*time.Second)
	time.Sleep(200 * time.Millisecond)
	l.stop()
	l.assertClean()
	found := l.assertWhole()
	s.assertIdle()
	assert.Less(t, recovery, recoveryLimit)
	assert.Less(t, l.longest(), 20*time.Second)
	torture.Reportf(t, "PostgreSQL frozen "+time.Since(frozen).Round(time.Second).String(),
		"breaker open after %v; %d answers 503; longest request %v; recovered in %v; %d acknowledged, %v",
		opened.Round(time.Millisecond), l.statuses[http.StatusServiceUnavailable], l.longest(), recovery, len(l.acknowledged), found)
}

// crashes does something bad several times under eight writers.
func crashes(t *testing.T, what string, crash func(t *testing.T, c *dbtest.Cluster)) {
	t.Helper()
	c := newDemoCluster(t)
	s := newService(t, options{config: db.Config{URL: c.URL, MaxConns: 12}, direct: c.URL})
	s.recovery(s.read, 20*time.Second) // the first request, on a machine that may be busy
	l := s.start(8, 0)
	times, longest := torture.Times(2, 20), time.Duration(0)
	for range times {
		time.Sleep(torture.For(300*time.Millisecond, time.Second))
		crash(t, c)
		longest = max(longest, s.recovery(s.read, 30*time.Second))
	}
	l.stop()
	l.assertClean()
	found := l.assertWhole()
	s.assertIdle()
	assert.NotEmpty(t, l.acknowledged)
	torture.Reportf(t, what, "%d times under 8 writers: %d acknowledged, %v; %d answers 503; longest recovery %v",
		times, len(l.acknowledged), found, l.statuses[http.StatusServiceUnavailable], longest)
}

func TestCrash_ofABackendLosesNothing(t *testing.T) {
	t.Parallel()
	crashes(t, "kill -9 of a backend", func(t *testing.T, c *dbtest.Cluster) { c.KillBackend(t) })
}

func TestCrash_ofPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	crashes(t, "kill -9 of PostgreSQL", func(t *testing.T, c *dbtest.Cluster) {
		c.Kill(t)
		c.Start(t)
	})
}
