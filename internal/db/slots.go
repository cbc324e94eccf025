package db

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// slots say whose turn it is on which connection. A server's connection keeps what it has learnt of each tenant's tables, plans
// and triggers, so a tenant is best served where it was served before: each has an order of its own in which it is tried on the slots, and
// takes the first one that is free. When none is, requests queue, and the slot that becomes free goes to one of those who have
// waited longest, whichever is nearest to it in its order.
//
// So many tenants share the slots out among them while there is room, and one that is busy may have all of them. A slots is
// safe for concurrent use.
type slots struct {
	mu      sync.Mutex
	taken   []bool
	waiting []*waiter // who came first is first
	waited  struct {
		times int
		total time.Duration
	}
}

// waiter waits for a slot.
type waiter struct {
	first  int      // in its order
	ready  chan int // is told which it has
	passed int      // how many who came later went before
}

const (
	// considered is how many of those who wait may be next.
	considered = 8
	// mostPassed is how many who came later may go before somebody.
	mostPassed = 4
)

func newSlots(n int) *slots { return &slots{taken: make([]bool, n)} }

// first is the slot that a tenant is tried on first; ids are random at their end (UUIDv7).
func (s *slots) first(tenant uuid.UUID) int {
	return int(binary.BigEndian.Uint32(tenant[12:]) % uint32(len(s.taken)))
}

// distance is how late a slot comes in the order of somebody.
func (s *slots) distance(first, slot int) int {
	return (slot - first + len(s.taken)) % len(s.taken)
}

// take takes a slot for the tenant, and waits for one until ctx ends.
func (s *slots) take(ctx context.Context, tenant uuid.UUID) (int, error) {
	w := &waiter{first: s.first(tenant)}
	s.mu.Lock()
	if slot, free := s.nearest(w.first); free {
		s.taken[slot] = true
		s.mu.Unlock()
		return slot, nil
	}
	w.ready = make(chan int, 1)
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	defer s.waitedSince(time.Now())
	select {
	case slot := <-w.ready:
		return slot, nil
	case <-ctx.Done():
		s.leave(w)
		return 0, ctx.Err() //nolint:wrapcheck // as every wait ends
	}
}

func (s *slots) nearest(first int) (slot int, free bool) {
	for i := range s.taken {
		if slot := (first + i) % len(s.taken); !s.taken[slot] {
			return slot, true
		}
	}
	return 0, false
}

func (s *slots) waitedSince(begin time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited.times++
	s.waited.total += time.Since(begin)
}

// leave ends waiting. Who was given a slot at the same moment gives it back.
func (s *slots) leave(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return
	}
	s.hand(<-w.ready)
}

// give gives a slot back.
func (s *slots) give(slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hand(slot)
}

// hand gives the slot to who is next, or to nobody.
func (s *slots) hand(slot int) {
	if len(s.waiting) == 0 {
		s.taken[slot] = false
		return
	}
	next := 0
	for i, w := range s.waiting[:min(considered, len(s.waiting))] {
		if s.waiting[0].passed < mostPassed && s.distance(w.first, slot) < s.distance(s.waiting[next].first, slot) {
			next = i
		}
	}
	for _, w := range s.waiting[:next] {
		w.passed++
	}
	w := s.waiting[next]
	s.waiting = slices.Delete(s.waiting, next, next+1)
	w.ready <- slot
}

// count says how many slots are taken, and how many wait for one.
func (s *slots) count() (taken, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.taken {
		if t {
			taken++
		}
	}
	return taken, len(s.waiting)
}

// waits says how many had to wait so far, and how long altogether.
func (s *slots) waits() (times int, total time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waited.times, s.waited.total
}
