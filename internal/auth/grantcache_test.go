package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var loaded = Grants{{Role: "admin"}}

func TestGrantCache_aColdKeyIsLoadedOnceForAThousandWhoAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache grantCache
		var loads atomic.Int32
		release := make(chan struct{})
		load := func(ctx context.Context, _ grantKey) (Grants, error) {
			loads.Add(1)
			<-release
			return loaded, ctx.Err()
		}
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				got, err := cache.get(t.Context(), grantKey{user: me}, load)
				if assert.NoError(t, err) {
					assert.Equal(t, loaded, got)
				}
			})
		}
		synctest.Wait() // all of them wait
		assert.EqualValues(t, 1, loads.Load())
		close(release)
		all.Wait()
		_, err := cache.get(t.Context(), grantKey{user: me}, load)
		require.NoError(t, err)
		assert.EqualValues(t, 1, loads.Load(), "it is kept")
	})
}

func TestGrantCache_whoAskedFirstMayGoAwayWithoutHarmToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache grantCache
		release := make(chan struct{})
		load := func(ctx context.Context, _ grantKey) (Grants, error) {
			select {
			case <-release:
				return loaded, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		first, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := cache.get(first, grantKey{user: me}, load)
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		for range 10 {
			all.Go(func() {
				got, err := cache.get(t.Context(), grantKey{user: me}, load)
				if assert.NoError(t, err) {
					assert.Equal(t, loaded, got)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait() // the first has gone, the others wait
		close(release)
		all.Wait()
	})
}

func TestGrantCache_everyPartOfTheKeyCounts(t *testing.T) {
	t.Parallel()
	var cache grantCache
	loads := 0
	load := func(context.Context, grantKey) (Grants, error) {
		loads++
		return loaded, nil
	}
	keys := []grantKey{{}, {tenant: me}, {user: me}, {access: 1}, {roles: 1}, {access: 11}, {access: 1, roles: 1}}
	for range 2 {
		for _, key := range keys {
			_, err := cache.get(t.Context(), key, load)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, len(keys), loads)
}

func TestGrantCache_aFailureIsNotKeptAndAPanicIsAFailure(t *testing.T) {
	t.Parallel()
	var cache grantCache
	failure := errors.New("no database")
	_, err := cache.get(t.Context(), grantKey{}, func(context.Context, grantKey) (Grants, error) { return nil, failure })
	require.ErrorIs(t, err, failure)
	_, err = cache.get(t.Context(), grantKey{}, func(context.Context, grantKey) (Grants, error) { panic("broken") })
	require.ErrorContains(t, err, "broken")
	got, err := cache.get(t.Context(), grantKey{}, func(context.Context, grantKey) (Grants, error) { return loaded, nil })
	require.NoError(t, err)
	assert.Equal(t, loaded, got)
}

func TestGrantCache_isBounded(t *testing.T) {
	t.Parallel()
	var cache grantCache
	load := func(context.Context, grantKey) (Grants, error) { return loaded, nil }
	for i := range int64(mostGrants + 100) {
		_, err := cache.get(t.Context(), grantKey{access: i}, load)
		require.NoError(t, err)
	}
	assert.Equal(t, mostGrants, cache.entries.Len())
}
