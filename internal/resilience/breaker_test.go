package resilience_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// protected is something behind a breaker that fails as the test says.
type protected struct {
	*resilience.Breaker

	calls   int
	changes []bool
}

func protect(policy resilience.BreakerPolicy, failed func(error) bool) *protected {
	p := &protected{}
	p.Breaker = resilience.NewBreaker(policy, resilience.BreakerConfig{
		Failed: failed, OnChange: func(open bool) { p.changes = append(p.changes, open) },
	})
	return p
}

func (p *protected) call(outcome error) error {
	return p.Do(func() error { p.calls++; return outcome })
}

var policy = resilience.BreakerPolicy{Dependency: "database", Failures: 3, Rest: time.Second, Probes: 1}

// The third and the fourth of the tests that the hardening report names (section 5).
func TestReport_breakerOpenFailsFast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(policy, nil)
		require.ErrorIs(t, p.call(errBroken), errBroken)
		require.ErrorIs(t, p.call(errBroken), errBroken)
		require.NoError(t, p.call(nil), "two in a row are not three")
		for range 3 {
			require.ErrorIs(t, p.call(errBroken), errBroken)
		}
		begin := time.Now()
		for range 1000 {
			err := p.call(nil)
			open, ok := errors.AsType[*resilience.OpenError](err)
			require.True(t, ok, err)
			require.Equal(t, time.Second, open.RetryAfter)
		}
		assert.Zero(t, time.Since(begin), "nobody waits")
		assert.Equal(t, 6, p.calls, "while it is open, nothing is called")
		assert.Equal(t, []bool{true}, p.changes)
		assert.Equal(t, "open", p.State())
	})
}

func TestReport_breakerHalfOpensAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := protect(policy, nil)
		for range 3 {
			_ = p.call(errBroken)
		}
		time.Sleep(1100 * time.Millisecond) // the bubble's clock
		assert.Equal(t, "half-open", p.State())
		require.ErrorIs(t, p.call(errBroken), errBroken, "one call tries")
		require.NotErrorIs(t, p.call(errBroken), errBroken, "and the breaker is open again")
		assert.Equal(t, []bool{true}, p.changes, "it was open all the time")

		time.Sleep(1100 * time.Millisecond)
		require.NoError(t, p.call(nil))
		require.NoError(t, p.call(nil))
		assert.Equal(t, []bool{true, false}, p.changes)
		assert.Equal(t, "closed", p.State())
	})
}

func TestBreaker_halfOpenLetsSoManyTryAtOnceAsThereAreProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		probes := policy
		probes.Probes = 3
		b := resilience.NewBreaker(probes, resilience.BreakerConfig{})
		for range 3 {
			_ = b.Do(func() error { return errBroken })
		}
		time.Sleep(1100 * time.Millisecond)
		var all sync.WaitGroup
		trying, refused := make(chan struct{}), make(chan error, 10)
		for range 10 {
			all.Go(func() { refused <- b.Do(func() error { <-trying; return nil }) })
		}
		synctest.Wait()
		assert.Len(t, refused, 7)
		close(trying)
		all.Wait()
		assert.Equal(t, "closed", b.State(), "three in a row succeeded")
	})
}

func TestBreaker_onlyFailuresOfTheDependencyCount(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{
		"the caller goes away": context.Canceled, "an answer that is an error": errBusy, "what is marked": resilience.Uncounted(errBroken),
	} {
		p := protect(policy, func(err error) bool { return errors.Is(err, errBroken) })
		for range 20 {
			require.ErrorIs(t, p.call(outcome), outcome, name)
		}
		assert.Empty(t, p.changes, name)
	}
}

func TestBreaker_aPanicIsNoFailureAndLeavesItWhole(t *testing.T) {
	t.Parallel()
	p := protect(policy, nil)
	for range 5 {
		assert.Panics(t, func() { _ = p.Do(func() error { panic("a bug") }) })
	}
	require.NoError(t, p.call(nil))
	assert.Empty(t, p.changes)
}

func BenchmarkBreaker(b *testing.B) {
	for name, failures := range map[string]int{"closed": 0, "open": 3} {
		b.Run(name, func(b *testing.B) {
			hourly := policy
			hourly.Rest = time.Hour
			breaker := resilience.NewBreaker(hourly, resilience.BreakerConfig{})
			for range failures {
				_ = breaker.Do(func() error { return errBroken })
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = breaker.Do(func() error { return nil })
			}
		})
	}
}
