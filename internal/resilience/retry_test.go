package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

var (
	errBusy   = errors.New("busy")
	errBroken = errors.New("broken")
)

func onlyBusy(err error, _ uint) string {
	if errors.Is(err, errBusy) {
		return "busy"
	}
	return ""
}

// database is the policy of the database, with a condition that stands for that of internal/db.
func database() resilience.Policy {
	p := resilience.Database
	p.Retry = onlyBusy
	return p
}

// The first of the four tests that the hardening report names (section 5).
func TestReport_transientFailureIsRetriedAndSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts []uint
		err := database().Do(t.Context(), func(_ context.Context, attempt uint) error {
			attempts = append(attempts, attempt)
			if attempt < 3 {
				return errBusy
			}
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, []uint{1, 2, 3}, attempts)
	})
}

func TestReport_permanentFailureEndsAfterTheMaximumWithItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		last := errors.Join(errBusy, errors.New("the fifth"))
		err := database().Do(t.Context(), func(_ context.Context, attempt uint) error {
			if attempt == 5 {
				return last
			}
			return errBusy
		})
		assert.Equal(t, last, err)
	})
}

func TestDo_doesNotRepeatAPermanentFailure(t *testing.T) {
	t.Parallel()
	var attempts uint
	err := database().Do(t.Context(), func(_ context.Context, attempt uint) error {
		attempts = attempt
		return errBroken
	})
	assert.Equal(t, errBroken, err)
	assert.EqualValues(t, 1, attempts)
}

func TestDo_tellsTheAttemptToTheDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := database()
		policy.Retry = func(_ error, attempt uint) string { return map[bool]string{true: "once"}[attempt == 1] }
		var attempts uint
		err := policy.Do(t.Context(), func(_ context.Context, attempt uint) error {
			attempts = attempt
			return errBusy
		})
		assert.Equal(t, errBusy, err)
		assert.EqualValues(t, 2, attempts)
	})
}

func TestDo_doesNotStartAfterTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := database().Do(ctx, func(context.Context, uint) error {
		t.Error("work was called")
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// slow waits an hour between tries, so that only the end of the context can end it in time.
var slow = resilience.Policy{Attempts: 5, BaseDelay: time.Hour, MaxDelay: time.Hour, Retry: onlyBusy}

func TestDo_stopsWaitingWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin := time.Now()
		var attempts uint
		err := slow.Do(ctx, func(_ context.Context, attempt uint) error {
			attempts = attempt
			return errBusy
		})
		assert.Equal(t, time.Millisecond, time.Since(begin))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errBusy, "the error of the last try is kept")
		assert.EqualValues(t, 1, attempts)
	})
}

func TestDo_doesNotRepeatWorkThatTheContextEnded(t *testing.T) {
	t.Parallel()
	eager := resilience.Policy{Attempts: 5, Retry: onlyBusy} // without waiting, a try would begin at once
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var attempts uint
		err := eager.Do(ctx, func(_ context.Context, attempt uint) error {
			attempts = attempt
			cancel()
			return errBusy
		})
		require.ErrorIs(t, err, errBusy)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, attempts)
	}
}

func TestDo_succeedsThoughTheContextEndsMeanwhile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	err := slow.Do(ctx, func(context.Context, uint) error {
		cancel()
		return nil
	})
	require.NoError(t, err)
}

func TestDo_waitsNoLongerThanThePolicySays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := resilience.Policy{Attempts: 20, BaseDelay: 10 * time.Millisecond, MaxDelay: 40 * time.Millisecond, Retry: onlyBusy}
		var starts []time.Time
		_ = policy.Do(t.Context(), func(context.Context, uint) error {
			starts = append(starts, time.Now())
			return errBusy
		})
		require.Len(t, starts, 20)
		for i := range starts[1:] {
			assert.Less(t, starts[i+1].Sub(starts[i]), policy.MaxDelay)
		}
	})
}

func TestDo_worksWithAnEmptyPolicy(t *testing.T) {
	t.Parallel()
	var attempts uint
	err := resilience.Policy{}.Do(t.Context(), func(_ context.Context, attempt uint) error {
		attempts = attempt
		return errBusy
	})
	assert.Equal(t, errBusy, err)
	assert.EqualValues(t, 1, attempts)
}

func TestDo_aTryThatTakesTooLongIsCutOffAndTheNextHasItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := resilience.External
		begin := time.Now()
		err := policy.Do(t.Context(), func(ctx context.Context, attempt uint) error {
			if attempt == 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(begin), policy.AttemptTimeout)
		assert.Less(t, time.Since(begin), policy.AttemptTimeout+policy.BaseDelay)
	})
}

func TestDo_theContextsDeadlineIsTheBudgetOfAllTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		begin := time.Now()
		var attempts uint
		err := resilience.External.Do(ctx, func(ctx context.Context, attempt uint) error {
			attempts = attempt
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 15*time.Second, time.Since(begin))
		assert.EqualValues(t, 2, attempts)
	})
}

func TestExternal_triesAgainWhatIsTransient(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, test := range map[string]struct {
		err   error
		tries uint
	}{
		"overloaded":        {&resilience.StatusError{Status: http.StatusServiceUnavailable}, 3},
		"too many requests": {&resilience.StatusError{Status: http.StatusTooManyRequests}, 3},
		"not found":         {&resilience.StatusError{Status: http.StatusNotFound}, 1},
		"gone":              {&resilience.StatusError{Status: http.StatusGone}, 1},
		"refused":           {refused, 3},
		"one try timed out": {context.DeadlineExceeded, 3},
		"caller went away":  {context.Canceled, 1},
		"anything else":     {errBroken, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tries uint
				err := resilience.External.Do(t.Context(), func(_ context.Context, attempt uint) error {
					tries = attempt
					return fmt.Errorf("post: %w", test.err)
				})
				require.ErrorIs(t, err, test.err)
				assert.Equal(t, test.tries, tries)
			})
		})
	}
}

func TestRedis_triesAgainWhatBrokeAndNotWhatIsSlow(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]uint{io.EOF: 2, os.ErrDeadlineExceeded: 1, context.DeadlineExceeded: 1, errBroken: 1} {
		var tries uint
		require.ErrorIs(t, resilience.Redis.Do(t.Context(), func(_ context.Context, attempt uint) error {
			tries = attempt
			return err
		}), err)
		assert.Equal(t, want, tries, err)
	}
}

func TestMetrics_countTriesAndReasonsAndShowBreakers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		metrics, err := resilience.NewMetrics(registry)
		require.NoError(t, err)
		policy := database()
		policy.Metrics = metrics
		for _, failures := range []uint{0, 2, 9} {
			_ = policy.Do(t.Context(), func(_ context.Context, attempt uint) error {
				if attempt > failures {
					return nil
				}
				return errBusy
			})
		}
		b := resilience.NewBreaker(resilience.RedisBreaker, resilience.BreakerConfig{Metrics: metrics})
		for range 3 {
			_ = b.Do(func() error { return errBroken })
		}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP rollcall_attempts How many tries work on a dependency took, by how it ended.
# TYPE rollcall_attempts histogram
rollcall_attempts_bucket{dependency="database",outcome="failure",le="1"} 0
rollcall_attempts_bucket{dependency="database",outcome="failure",le="2"} 0
rollcall_attempts_bucket{dependency="database",outcome="failure",le="3"} 0
rollcall_attempts_bucket{dependency="database",outcome="failure",le="4"} 0
rollcall_attempts_bucket{dependency="database",outcome="failure",le="5"} 1
rollcall_attempts_bucket{dependency="database",outcome="failure",le="+Inf"} 1
rollcall_attempts_sum{dependency="database",outcome="failure"} 5
rollcall_attempts_count{dependency="database",outcome="failure"} 1
rollcall_attempts_bucket{dependency="database",outcome="success",le="1"} 1
rollcall_attempts_bucket{dependency="database",outcome="success",le="2"} 1
rollcall_attempts_bucket{dependency="database",outcome="success",le="3"} 2
rollcall_attempts_bucket{dependency="database",outcome="success",le="4"} 2
rollcall_attempts_bucket{dependency="database",outcome="success",le="5"} 2
rollcall_attempts_bucket{dependency="database",outcome="success",le="+Inf"} 2
rollcall_attempts_sum{dependency="database",outcome="success"} 4
rollcall_attempts_count{dependency="database",outcome="success"} 2
# HELP rollcall_breaker_state The circuit breaker of a dependency: 0 closed, 1 half-open, 2 open.
# TYPE rollcall_breaker_state gauge
rollcall_breaker_state{dependency="redis"} 2
# HELP rollcall_retries_total Tries that were made again, by the reason.
# TYPE rollcall_retries_total counter
rollcall_retries_total{dependency="database",reason="busy"} 6
rollcall_retries_total{dependency="database",reason="connection"} 0
rollcall_retries_total{dependency="external",reason="connection"} 0
rollcall_retries_total{dependency="redis",reason="connection"} 0
`)))
		problems, err := testutil.GatherAndLint(registry)
		require.NoError(t, err)
		assert.Empty(t, problems)
	})
}
