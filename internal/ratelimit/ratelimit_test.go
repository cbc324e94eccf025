package ratelimit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hourly is a bucket that gains nothing to speak of during a test.
func hourly(requests int) ratelimit.Limit {
	return ratelimit.Limit{Requests: requests, Per: time.Hour}
}

// patient waits for Redis even on a busy machine: what is counted is Redis' own count.
func patient(server *redistest.Server) ratelimit.Config {
	return ratelimit.Config{RedisURL: server.URL, Patience: 20 * time.Second}
}

func newLimiter(t *testing.T, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// inBoth runs a test with the buckets in this process, and with those in Redis.
func inBoth(t *testing.T, test func(t *testing.T, c ratelimit.Config)) {
	t.Helper()
	t.Run("local", func(t *testing.T) { t.Parallel(); test(t, ratelimit.Config{}) })
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, patient(redistest.New(t)))
	})
}

func TestTake_countsDownAndThenSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, c ratelimit.Config) {
		l := newLimiter(t, c)
		for left := 4; left >= 0; left-- {
			d := l.Take(t.Context(), "a", hourly(5))
			assert.True(t, d.Allowed)
			assert.Equal(t, left, d.Remaining)
			assert.Zero(t, d.RetryAfter)
			assert.InDelta(t, (time.Duration(5-left) * 12 * time.Minute).Seconds(), d.Reset.Seconds(), 30)
		}
		for range 3 {
			d := l.Take(t.Context(), "a", hourly(5))
			assert.False(t, d.Allowed)
			assert.Zero(t, d.Remaining)
			assert.InDelta(t, (12 * time.Minute).Seconds(), d.RetryAfter.Seconds(), 30)
			assert.InDelta(t, time.Hour.Seconds(), d.Reset.Seconds(), 30)
		}
		assert.True(t, l.Take(t.Context(), "b", hourly(5)).Allowed, "another caller has another bucket")
	})
}

func TestTake_countsEvenWhereTheIntervalIsNoBinaryFraction(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, c ratelimit.Config) {
		l := newLimiter(t, c)
		for caller := range 20 {
			d := l.Take(t.Context(), fmt.Sprint("caller ", caller), ratelimit.Limit{Requests: 600, Per: time.Minute})
			assert.Equal(t, 599, d.Remaining)
			assert.InDelta(t, 0.1, d.Reset.Seconds(), 0.001)
		}
	})
}

func TestTake_aHundredAtOnceAreAdmittedExactlyAsTheBucketHolds(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, c ratelimit.Config) {
		l := newLimiter(t, c)
		assert.EqualValues(t, 40, admittedAtOnce(t, 100, func(int) bool { return l.Take(t.Context(), "a", hourly(40)).Allowed }))
	})
}

func admittedAtOnce(t *testing.T, requests int, take func(i int) bool) int64 {
	t.Helper()
	var admitted atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range requests {
		all.Go(func() {
			<-start
			if take(i) {
				admitted.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	return admitted.Load()
}

func TestTake_twoInstancesShareOneLimit(t *testing.T) {
	t.Parallel()
	server := redistest.New(t)
	instances := []*ratelimit.Limiter{newLimiter(t, patient(server)), newLimiter(t, patient(server))}
	admitted := admittedAtOnce(t, 60, func(i int) bool { return instances[i%2].Take(t.Context(), "a", hourly(30)).Allowed })
	assert.EqualValues(t, 30, admitted)
}

func TestTake_theBucketFillsEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Config{})
		limit := ratelimit.Limit{Requests: 60, Per: time.Minute}
		for range 60 {
			require.True(t, l.Take(t.Context(), "a", limit).Allowed)
		}
		require.False(t, l.Take(t.Context(), "a", limit).Allowed)
		time.Sleep(999 * time.Millisecond) // the bubble's clock
		assert.False(t, l.Take(t.Context(), "a", limit).Allowed)
		_, refused := l.Refused("a", limit)
		assert.True(t, refused)
		time.Sleep(2 * time.Millisecond)
		_, refused = l.Refused("a", limit)
		assert.False(t, refused)
		assert.True(t, l.Take(t.Context(), "a", limit).Allowed)
		assert.False(t, l.Take(t.Context(), "a", limit).Allowed)
	})
}

func TestTake_theScaleAppliesToEveryLimit(t *testing.T) {
	t.Parallel()
	for scale, want := range map[float64]int{0: 10, 1: 10, 2.5: 25, 0.5: 5, 0.001: 1} {
		d := newLimiter(t, ratelimit.Config{Scale: scale}).Take(t.Context(), "a", hourly(10))
		assert.Equal(t, want, d.Limit.Requests)
		assert.Equal(t, want-1, d.Remaining)
	}
}

func TestTake_memoryIsBoundedHoweverManyCallersThereAre(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Buckets: 10})
	for i := range 1000 {
		l.Take(t.Context(), fmt.Sprint("caller ", i), hourly(1))
	}
	assert.False(t, l.Take(t.Context(), "caller 999", hourly(1)).Allowed, "the latest is remembered")
	assert.True(t, l.Take(t.Context(), "caller 0", hourly(1)).Allowed, "the first is forgotten")
}

func TestRedis_downTheLocalLimitTakesOverAndItComesBackByItself(t *testing.T) {
	t.Parallel()
	server, log, metrics := redistest.New(t), &safeBuffer{}, prometheus.NewRegistry()
	config := patient(server)
	config.Log, config.Metrics = slog.New(slog.NewTextHandler(log, nil)), metrics
	l := newLimiter(t, config)
	require.True(t, l.Take(t.Context(), "a", hourly(4)).Allowed)
	assertFallback(t, metrics, 0)

	server.Stop()
	admitted := 0
	for range 20 {
		if l.Take(t.Context(), "a", hourly(4)).Allowed {
			admitted++
		}
	}
	assert.Equal(t, 4, admitted, "limited without Redis too")
	assertFallback(t, metrics, 1)
	assert.Contains(t, log.String(), "Redis does not answer")

	server.Start(t)
	n := 0
	require.Eventually(t, func() bool {
		n++
		l.Take(t.Context(), fmt.Sprint("probe ", n), hourly(4))
		return gauge(t, metrics) == 0
	}, 20*time.Second, 20*time.Millisecond)
	assert.Contains(t, log.String(), "Redis answers again")
	require.True(t, l.Take(t.Context(), "after", hourly(1)).Allowed)
	assert.False(t, newLimiter(t, patient(server)).Take(t.Context(), "after", hourly(1)).Allowed, "the count is shared again")
}

func TestRedis_slowARequestDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	server, metrics := redistest.New(t), prometheus.NewRegistry()
	l := newLimiter(t, ratelimit.Config{RedisURL: server.URL, Metrics: metrics})
	l.Take(t.Context(), "warm", hourly(1))
	server.Pause(t)
	defer server.Continue(t)
	var waits []time.Duration
	for i := range 40 {
		start := time.Now()
		assert.True(t, l.Take(t.Context(), fmt.Sprint("a", i), hourly(1)).Allowed)
		waits = append(waits, time.Since(start))
	}
	slices.Sort(waits)
	t.Logf("waited for a Redis that does not answer: longest %v, median %v", waits[39], waits[20])
	assert.Less(t, waits[39], 250*time.Millisecond, "50 ms, and room for a busy machine")
	assert.Less(t, waits[20], 10*time.Millisecond, "once the breaker is open nobody waits")
	assertFallback(t, metrics, 1)
}

func TestRedis_aCallerWhoGoesAwayDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	metrics := prometheus.NewRegistry()
	l := newLimiter(t, ratelimit.Config{RedisURL: redistest.New(t).URL, Metrics: metrics})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		l.Take(gone, "a", hourly(100))
	}
	assertFallback(t, metrics, 0)
}

func TestNew_aBadURLIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"localhost:6379", "http://u:hunter2@h", "redis://u:hunter2@h:x/0", "redis://u:hunter2@h/zero"} {
		_, err := ratelimit.New(ratelimit.Config{RedisURL: url})
		require.ErrorContains(t, err, "REDIS_URL", url)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func assertFallback(t *testing.T, metrics *prometheus.Registry, want float64) {
	t.Helper()
	assert.InDelta(t, want, gauge(t, metrics), 0, "rollcall_ratelimit_fallback")
}

func gauge(t *testing.T, metrics *prometheus.Registry) float64 {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	problems, err := testutil.GatherAndLint(metrics)
	require.NoError(t, err)
	require.Empty(t, problems)
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

// safeBuffer is a log that is written and read at the same time.
type safeBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}
