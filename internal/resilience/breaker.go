package resilience

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

// BreakerPolicy says when something that fails is left alone, and for how long.
type BreakerPolicy struct {
	Failures uint32        // so many in a row open the breaker
	Rest     time.Duration // it stays open so long; then one call tries, and closes it or opens it again
}

// Cache is the policy for what we can do without: given up soon, tried again soon.
var Cache = BreakerPolicy{Failures: 3, Rest: 2 * time.Second}

// Breaker keeps calls away from what keeps failing, so that nobody waits for it. It is safe for concurrent use.
type Breaker[T any] struct {
	breaker *gobreaker.CircuitBreaker[T]
}

// NewBreaker makes a closed breaker. onChange hears when it stops (true) and when it resumes (false) calling; it must not
// use the breaker. Every error counts as a failure, except that the caller went away.
func NewBreaker[T any](policy BreakerPolicy, onChange func(open bool)) *Breaker[T] {
	return &Breaker[T]{breaker: gobreaker.NewCircuitBreaker[T](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     policy.Rest,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= policy.Failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				onChange(true)
			case to == gobreaker.StateClosed:
				onChange(false)
			}
		},
	})}
}

// Do calls work, or fails at once while the breaker is open.
func (b *Breaker[T]) Do(work func() (T, error)) (T, error) {
	return b.breaker.Execute(work) //nolint:wrapcheck // work's own error, or the breaker's
}
