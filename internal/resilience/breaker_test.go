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

func TestBreaker_opensAfterFailuresInARowAndClosesWhenOneCallSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var changes []bool
		b := resilience.NewBreaker[int](resilience.BreakerPolicy{Failures: 3, Rest: time.Second}, func(open bool) { changes = append(changes, open) })
		broken, calls := errors.New("broken"), 0
		call := func(failure error) error {
			_, err := b.Do(func() (int, error) { calls++; return calls, failure })
			return err
		}
		require.ErrorIs(t, call(broken), broken)
		require.ErrorIs(t, call(broken), broken)
		require.NoError(t, call(nil), "two in a row are not three")
		for range 10 {
			require.Error(t, call(broken))
		}
		assert.Equal(t, 6, calls, "while it is open, nothing is called")
		assert.Equal(t, []bool{true}, changes)

		time.Sleep(1100 * time.Millisecond) // the bubble's clock
		require.ErrorIs(t, call(broken), broken, "one call tries")
		require.NotErrorIs(t, call(broken), broken, "and the breaker is open again")
		assert.Equal(t, []bool{true}, changes, "it was open all the time")

		time.Sleep(1100 * time.Millisecond)
		require.NoError(t, call(nil))
		require.NoError(t, call(nil))
		assert.Equal(t, []bool{true, false}, changes)
	})
}

func TestBreaker_aCallerWhoGoesAwayIsNoFailure(t *testing.T) {
	t.Parallel()
	b := resilience.NewBreaker[int](resilience.BreakerPolicy{Failures: 1, Rest: time.Hour}, func(bool) { t.Error("it opened") })
	for range 5 {
		_, err := b.Do(func() (int, error) { return 0, context.Canceled })
		require.ErrorIs(t, err, context.Canceled)
	}
}
