package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/redistest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/toxictest"
)

// crowded is a service with little room, where every read of students in the demo tenant waits until release.
func crowded(t *testing.T, room server.Concurrency) (h *harness, release func()) {
	t.Helper()
	patient := db.Config{MaxConns: 8, Timeout: time.Minute, LockTimeout: 30 * time.Second}
	h = newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), patient, func(d *server.Dependencies) { d.Concurrency = room })
	conn := h.db.Conn(t)
	_, err := conn.Exec(t.Context(), "begin; lock table "+h.schema()+".students in access exclusive mode")
	require.NoError(t, err)
	return h, func() {
		_, err := conn.Exec(t.Context(), "rollback")
		require.NoError(t, err)
	}
}

// crowd sends so many reads of students at once. The answers come through the channel.
func (h *harness) crowd(size int, token string) <-chan answer {
	answers := make(chan answer, size)
	var all sync.WaitGroup
	for range size {
		all.Go(func() { answers <- h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: token}) })
	}
	go func() { all.Wait(); close(answers) }()
	return answers
}

func (h *harness) awaitBlocked(number int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		return dbtest.Value[int](h.t, h.db, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) >= number
	}, 20*time.Second, 5*time.Millisecond)
}

func tally(answers <-chan answer) map[int]int {
	counts := map[int]int{}
	for a := range answers {
		counts[a.Status]++
	}
	return counts
}

func TestOverload_aNoisyTenantLeavesRoomForTheOthers(t *testing.T) {
	t.Parallel()
	h, release := crowded(t, server.Concurrency{Requests: 8, Tenant: 2})
	noisy, quiet := h.token("admin"), h.tokenIn(seed.Demo2Tenant, demoUsers["admin"], time.Hour)
	mine := call{Method: http.MethodGet, Path: "/v1/students", Token: quiet}
	require.Equal(t, http.StatusOK, h.do(call{Method: http.MethodGet, Path: "/v1/institutions", Token: noisy}).Status, "its token is known from now on")
	crowd := h.crowd(60, noisy) // of which 2 run, 30 wait, and 28 are refused
	h.awaitBlocked(2)
	for range 20 {
		begin := time.Now()
		require.Equal(t, http.StatusOK, h.do(mine).Status)
		assert.Less(t, time.Since(begin), 5*time.Second)
	}
	refused := 0
	for a := range crowd {
		require.Equal(t, http.StatusServiceUnavailable, a.Status)
		require.Equal(t, "1", a.Header.Get("Retry-After"))
		if refused++; refused == 58 {
			release() // the 30 have waited in vain, two run
			break
		}
	}
	assert.Equal(t, map[int]int{http.StatusOK: 2}, tally(crowd))
	assert.Contains(t, h.metrics(), `rollcall_http_shed_total{bound="tenant"} 58`)
	assert.Contains(t, h.metrics(), `rollcall_http_requests_in_flight 0`)
}

// A token that is new here says nothing of its tenant before it has been looked up; it waits for its tenant's turn after that.
func TestOverload_aNewTokenCountsForItsTenantToo(t *testing.T) {
	t.Parallel()
	h, release := crowded(t, server.Concurrency{Requests: 4, Tenant: 2})
	quiet := h.tokenIn(seed.Demo2Tenant, demoUsers["admin"], time.Hour)
	crowd := make(chan answer, 6)
	var all sync.WaitGroup
	for range 6 {
		token := h.token("admin")
		all.Go(func() { crowd <- h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: token}) })
	}
	h.awaitBlocked(2)
	require.Equal(t, http.StatusOK, h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: quiet}).Status, "who waits is in nobody's way")
	for range 4 {
		assert.Equal(t, http.StatusServiceUnavailable, (<-crowd).Status)
	}
	release()
	all.Wait()
	close(crowd)
	assert.Equal(t, map[int]int{http.StatusOK: 2}, tally(crowd))
}

// A forged token cannot use up the turns of the tenant that it names.
func TestOverload_aTokenThatNobodyHasTakesNoTurnOfATenant(t *testing.T) {
	t.Parallel()
	h, release := crowded(t, server.Concurrency{Requests: 8, Tenant: 1})
	defer release()
	held := h.crowd(1, h.token("admin"))
	h.awaitBlocked(1)
	forged := h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: auth.NewToken(seed.DemoTenant).String()})
	assert.Equal(t, http.StatusUnauthorized, forged.Status)
	release()
	assert.Equal(t, map[int]int{http.StatusOK: 1}, tally(held))
}

func TestReady_namesEveryDependencyAndIsDegradedWithoutRedis(t *testing.T) {
	t.Parallel()
	database, redis := dbtest.NewFrom(t, "demo", seedDemo), redistest.New(t)
	network := toxictest.New(t, database.URL)
	h := newHarnessOn(t, database, db.Config{URL: network.URL, MaxConns: 2}, func(d *server.Dependencies) {
		d.Limiter = newLimiter(t, ratelimit.Config{RedisURL: redis.URL, Patience: 5 * time.Second})
	})
	ready := func() (int, string) {
		a := h.do(call{Method: http.MethodGet, Path: "/readyz"})
		return a.Status, string(a.Raw)
	}
	status, body := ready()
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ready","dependencies":{"database":{"status":"up","breaker":"closed"},"redis":{"status":"up","breaker":"closed"}}}`, body)
	redis.Stop()
	status, body = ready()
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"degraded","dependencies":{"database":{"status":"up","breaker":"closed"},"redis":{"status":"down","breaker":"closed"}}}`, body)
	network.Add(t, toxictest.Down)
	status, body = ready()
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, `"status":"unready"`)
	network.Heal(t)
	require.Eventually(t, func() bool { status, _ = ready(); return status == http.StatusOK }, 20*time.Second, 10*time.Millisecond)
	redis.Start(t)
}
