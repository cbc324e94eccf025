package resilience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

var (
	errBusy   = errors.New("busy")
	errBroken = errors.New("broken")
)

func onlyBusy(err error, _ uint) bool { return errors.Is(err, errBusy) }

func TestDo_returnsAtTheFirstSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts []uint
		err := resilience.Database.Do(t.Context(), onlyBusy, func(attempt uint) error {
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

func TestDo_givesUpAfterTheLastAttemptWithItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		last := errors.Join(errBusy, errors.New("the fifth"))
		err := resilience.Database.Do(t.Context(), onlyBusy, func(attempt uint) error {
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
	err := resilience.Database.Do(t.Context(), onlyBusy, func(attempt uint) error {
		attempts = attempt
		return errBroken
	})
	assert.Equal(t, errBroken, err)
	assert.EqualValues(t, 1, attempts)
}

func TestDo_tellsTheAttemptToTheDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		onceMore := func(_ error, attempt uint) bool { return attempt == 1 }
		var attempts uint
		err := resilience.Database.Do(t.Context(), onceMore, func(attempt uint) error {
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
	err := resilience.Database.Do(ctx, onlyBusy, func(uint) error {
		t.Error("work was called")
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// slow waits an hour between tries, so that only the end of the context can end it in time.
var slow = resilience.Policy{Attempts: 5, BaseDelay: time.Hour, MaxDelay: time.Hour}

func TestDo_stopsWaitingWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin := time.Now()
		var attempts uint
		err := slow.Do(ctx, onlyBusy, func(attempt uint) error {
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
	eager := resilience.Policy{Attempts: 5} // without waiting, a try would begin at once
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var attempts uint
		err := eager.Do(ctx, onlyBusy, func(attempt uint) error {
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
	err := slow.Do(ctx, onlyBusy, func(uint) error {
		cancel()
		return nil
	})
	require.NoError(t, err)
}

func TestDo_waitsNoLongerThanThePolicySays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := resilience.Policy{Attempts: 20, BaseDelay: 10 * time.Millisecond, MaxDelay: 40 * time.Millisecond}
		var starts []time.Time
		_ = policy.Do(t.Context(), onlyBusy, func(uint) error {
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
	err := resilience.Policy{}.Do(t.Context(), onlyBusy, func(attempt uint) error {
		attempts = attempt
		return errBusy
	})
	assert.Equal(t, errBusy, err)
	assert.EqualValues(t, 1, attempts)
}
