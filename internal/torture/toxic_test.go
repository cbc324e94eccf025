package torture_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/redistest"
	"github.com/rollcall-erp/rollcall/internal/resilience"
	"github.com/rollcall-erp/rollcall/internal/torture"
	"github.com/rollcall-erp/rollcall/internal/toxictest"
)

// impatient has the shortest times that still leave room for a slow machine, so that the tests need not wait for the longer ones.
func impatient(url string) db.Config {
	policy := resilience.Database
	policy.AttemptTimeout = 1200 * time.Millisecond
	return db.Config{URL: url, MaxConns: 6, Timeout: 2 * time.Second, LockTimeout: time.Second, Retry: policy}
}

// bound is how long a request may take: to authenticate and to do its work, each with its own time and what it takes to
// clean up.
func bound(c db.Config) time.Duration { return 3*c.Timeout + 3*time.Second }

func TestToxic_onTheDatabaseNothingIsLostHalfDoneOrLeftBehind(t *testing.T) {
	t.Parallel()
	for _, toxic := range toxictest.All {
		t.Run(toxic.Name, func(t *testing.T) {
			t.Parallel()
			database := dbtest.NewFrom(t, "demo", seedDemo)
			network := toxictest.New(t, database.URL)
			config := impatient(network.URL)
			s := newService(t, options{config: config, direct: database.URL})
			s.recovery(s.read, 20*time.Second) // the first request, on a machine that may be busy
			l := s.start(4, 2)
			time.Sleep(torture.For(100*time.Millisecond, time.Second))
			network.Add(t, toxic)
			time.Sleep(torture.For(time.Second, 10*time.Second))
			network.Heal(t)
			recovery := s.recovery(s.read, 20*time.Second)
			time.Sleep(torture.For(100*time.Millisecond, time.Second))
			l.stop()
			l.assertClean()
			found := l.assertWhole()
			s.assertIdle()
			assert.Less(t, l.longest(), bound(config))
			torture.Reportf(t, "database: "+toxic.Name, "%d acknowledged, %v; %d answers 503; longest request %v; recovered in %v",
				len(l.acknowledged), found, l.statuses[http.StatusServiceUnavailable], l.longest(), recovery)
		})
	}
}

func TestToxic_onRedisRequestsGoOnByTheLocalCount(t *testing.T) {
	t.Parallel()
	for _, toxic := range toxictest.All {
		t.Run(toxic.Name, func(t *testing.T) {
			t.Parallel()
			database := dbtest.NewFrom(t, "demo", seedDemo)
			network := toxictest.New(t, redistest.New(t).URL)
			s := newService(t, options{
				config: db.Config{URL: database.URL, MaxConns: 6}, direct: database.URL, limits: ratelimit.Config{RedisURL: network.URL},
			})
			s.recovery(s.read, 20*time.Second) // the first request, on a machine that may be busy
			l := s.start(2, 2)
			network.Add(t, toxic)
			time.Sleep(torture.For(500*time.Millisecond, 5*time.Second))
			network.Heal(t)
			begin := time.Now()
			require.Eventually(t, func() bool {
				health, _ := s.limiter.Health(t.Context())
				return health.Up && health.Breaker == "closed"
			}, 20*time.Second, 10*time.Millisecond)
			recovery := time.Since(begin).Round(time.Millisecond)
			l.stop()
			assert.Zero(t, l.statuses[http.StatusServiceUnavailable])
			l.assertClean()
			l.assertWhole()
			assert.Less(t, l.longest(), 5*time.Second)
			torture.Reportf(t, "Redis: "+toxic.Name, "%d requests, %d failed; p99 %v, longest %v; counted together again after %v",
				len(l.latencies), l.statuses[http.StatusServiceUnavailable], l.quantile(0.99), l.longest(), recovery)
		})
	}
}
