package resilience_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

var narrow = resilience.BulkheadPolicy{Running: 2, Waiting: 3, Patience: time.Second}

func TestBulkhead_runsSoManyLetsSomeWaitAndRefusesTheRestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBulkhead(narrow)
		var all sync.WaitGroup
		var mu sync.Mutex
		var ran, refused int
		finish := make(chan struct{})
		for range 10 {
			all.Go(func() {
				leave, err := b.Enter(t.Context())
				mu.Lock()
				if err != nil {
					assert.ErrorIs(t, err, resilience.ErrFull) //nolint:testifylint // require is for the test's own goroutine
					refused++
					mu.Unlock()
					return
				}
				ran++
				mu.Unlock()
				<-finish
				leave()
			})
		}
		synctest.Wait()
		assert.Equal(t, []int{2, 5}, []int{ran, refused})
		assert.Equal(t, 5, b.Inside())
		close(finish)
		all.Wait()
		assert.Equal(t, []int{5, 5}, []int{ran, refused}, "who waited had a turn")
		assert.Zero(t, b.Inside())
	})
}

func TestBulkhead_waitsNoLongerThanItsPatienceOrTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBulkhead(narrow)
		for range 2 {
			leave, err := b.Enter(t.Context())
			require.NoError(t, err)
			defer leave()
		}
		begin := time.Now()
		_, err := b.Enter(t.Context())
		require.ErrorIs(t, err, resilience.ErrFull)
		assert.Equal(t, time.Second, time.Since(begin))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err = b.Enter(ctx)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 2, b.Inside())
	})
}

func TestBulkheads_aFullOneLeavesTheOthersAloneAndNoneIsKept(t *testing.T) {
	t.Parallel()
	b := resilience.NewBulkheads[string](resilience.BulkheadPolicy{Running: 1, Patience: time.Second})
	leaveNoisy, err := b.Enter(t.Context(), "noisy")
	require.NoError(t, err)
	_, err = b.Enter(t.Context(), "noisy")
	require.ErrorIs(t, err, resilience.ErrFull)
	leaveQuiet, err := b.Enter(t.Context(), "quiet")
	require.NoError(t, err)
	assert.Equal(t, 2, b.Keys())
	leaveNoisy()
	leaveQuiet()
	assert.Zero(t, b.Keys())
}
