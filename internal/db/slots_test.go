package db

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tenantFirstOn is a tenant whose order begins with a slot.
func tenantFirstOn(slot int) (id uuid.UUID) {
	binary.BigEndian.PutUint32(id[12:], uint32(slot))
	return id
}

func mustTake(t *testing.T, s *slots, first int) int {
	t.Helper()
	slot, err := s.take(t.Context(), tenantFirstOn(first))
	require.NoError(t, err)
	return slot
}

func TestSlots_aTenantComesBackToItsOwnAndSpillsOverWhenThatIsTaken(t *testing.T) {
	t.Parallel()
	s := newSlots(4)
	assert.Equal(t, 2, mustTake(t, s, 2))
	assert.Equal(t, 3, mustTake(t, s, 2))
	assert.Equal(t, 0, mustTake(t, s, 2), "the order goes round")
	s.give(2)
	assert.Equal(t, 2, mustTake(t, s, 2))
	assert.Equal(t, 1, mustTake(t, s, 2), "one tenant may have them all")
}

// When all are taken, who is nearest to the slot that becomes free has it, and nobody is passed over for ever.
func TestSlots_whoWaitsIsNotPassedOverForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2)
		mustTake(t, s, 0)
		mustTake(t, s, 1)
		served := make(chan string, 10)
		queue := func(name string, first int) {
			go func() {
				slot, err := s.take(t.Context(), tenantFirstOn(first))
				if assert.NoError(t, err) {
					served <- name
					s.give(slot)
				}
			}()
			synctest.Wait() // so that they queue in this order
		}
		queue("far", 0)
		for range considered - 1 {
			queue("near", 1)
		}
		s.give(1)
		synctest.Wait()
		var order []string
		for range considered {
			order = append(order, <-served)
		}
		assert.Equal(t, []string{"near", "near", "near", "near", "far", "near", "near", "near"}, order)
		taken, waiting := s.count()
		assert.Equal(t, 1, taken)
		assert.Zero(t, waiting)
		times, _ := s.waits()
		assert.Equal(t, considered, times)
	})
}

func TestSlots_whoGivesUpLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		mustTake(t, s, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.take(ctx, uuid.Nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, waited := s.waits()
		assert.Equal(t, time.Second, waited)
		s.give(0)
		assert.Equal(t, 0, mustTake(t, s, 0))
	})
}

func TestSlots_noSlotIsLostOrTakenTwice(t *testing.T) {
	t.Parallel()
	const n = 3
	s := newSlots(n)
	var busy [n]sync.Mutex
	var all sync.WaitGroup
	for client := range 24 {
		all.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*20*time.Microsecond)
				slot, err := s.take(ctx, tenantFirstOn(client))
				cancel()
				if err != nil {
					continue
				}
				if assert.True(t, busy[slot].TryLock()) {
					busy[slot].Unlock()
				}
				s.give(slot)
			}
		})
	}
	all.Wait()
	taken, waiting := s.count()
	assert.Zero(t, taken+waiting)
}
