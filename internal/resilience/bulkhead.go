package resilience

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// BulkheadPolicy bounds what runs at once, and who waits for a turn, so that too much of it is refused at once instead of
// making everybody slow.
type BulkheadPolicy struct {
	Running  int           // so many run at once
	Waiting  int           // so many wait for their turn, in the order in which they came
	Patience time.Duration // the longest wait
}

// Bulkhead gives turns. It is safe for concurrent use.
type Bulkhead struct {
	policy BulkheadPolicy
	turns  *semaphore.Weighted
	inside atomic.Int64 // running and waiting
}

// ErrFull is a turn that is not to be had.
var ErrFull = errors.New("too much runs already")

// NewBulkhead makes an empty bulkhead.
func NewBulkhead(policy BulkheadPolicy) *Bulkhead {
	return &Bulkhead{policy: policy, turns: semaphore.NewWeighted(int64(policy.Running))}
}

// Enter waits for a turn; leave gives it back. The error is ErrFull or that of ctx.
func (b *Bulkhead) Enter(ctx context.Context) (leave func(), err error) {
	if b.inside.Add(1) > int64(b.policy.Running+b.policy.Waiting) {
		b.inside.Add(-1)
		return nil, ErrFull
	}
	if err := b.wait(ctx); err != nil {
		b.inside.Add(-1)
		return nil, err
	}
	return func() { b.turns.Release(1); b.inside.Add(-1) }, nil
}

func (b *Bulkhead) wait(ctx context.Context) error {
	if b.turns.TryAcquire(1) {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, b.policy.Patience)
	defer cancel()
	if b.turns.Acquire(patience, 1) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for a turn: %w", err)
	}
	return ErrFull
}

// Inside is how many run or wait.
func (b *Bulkhead) Inside() int { return int(b.inside.Load()) }

// Bulkheads are one bulkhead for each key, kept only while somebody is in it. They are safe for concurrent use.
type Bulkheads[K comparable] struct {
	policy BulkheadPolicy

	mu   sync.Mutex
	used map[K]*usedBulkhead
}

type usedBulkhead struct {
	*Bulkhead

	users int
}

// NewBulkheads makes bulkheads that all have one policy.
func NewBulkheads[K comparable](policy BulkheadPolicy) *Bulkheads[K] {
	return &Bulkheads[K]{policy: policy, used: map[K]*usedBulkhead{}}
}

// Enter is Bulkhead.Enter for a key.
func (b *Bulkheads[K]) Enter(ctx context.Context, key K) (leave func(), err error) {
	turn, err := b.use(key).Enter(ctx)
	if err != nil {
		b.disuse(key)
		return nil, err
	}
	return func() { turn(); b.disuse(key) }, nil
}

func (b *Bulkheads[K]) use(key K) *Bulkhead {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.used[key]
	if one == nil {
		one = &usedBulkhead{Bulkhead: NewBulkhead(b.policy)}
		b.used[key] = one
	}
	one.users++
	return one.Bulkhead
}

func (b *Bulkheads[K]) disuse(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.used[key]
	if one.users--; one.users == 0 {
		delete(b.used, key)
	}
}

// Keys is how many keys somebody is in.
func (b *Bulkheads[K]) Keys() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.used)
}
