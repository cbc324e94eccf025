// Package resilience holds this project's policies for work that can fail for a moment: retry, on retry-go, and circuit
// breakers, on gobreaker.
//
// What may be retried is the caller's knowledge (internal/db knows its SQLSTATEs); how often, how long and how far
// apart is decided here, in one place.
package resilience

import (
	"context"
	"errors"
	"time"

	"github.com/avast/retry-go/v4"
)

// Policy says how often and how far apart work is tried.
type Policy struct {
	Attempts  uint          // tries in all, the first included; at least 1
	BaseDelay time.Duration // bounds the wait before the second try; doubles with every further one
	MaxDelay  time.Duration // the longest wait of all
}

// Database is the policy for transactions: short waits, since the client waits too.
var Database = Policy{Attempts: 5, BaseDelay: 10 * time.Millisecond, MaxDelay: 500 * time.Millisecond}

// Settling is the policy for finding out what became of a commit whose reply was lost: PostgreSQL may need a moment to see
// that the connection is gone.
var Settling = Policy{Attempts: 12, BaseDelay: 25 * time.Millisecond, MaxDelay: time.Second}

// Do runs work until it succeeds, fails for good, the attempts are used up or ctx ends. attempt counts from 1. It
// returns the last error of work, joined with that of ctx when ctx ended before the next try.
func (p Policy) Do(ctx context.Context, retryable func(err error, attempt uint) bool, work func(attempt uint) error) error {
	var attempt uint
	var last error
	err := retry.Do(
		func() error {
			attempt++
			last = work(attempt)
			return last
		},
		retry.Context(ctx),
		retry.Attempts(max(p.Attempts, 1)),
		retry.RetryIf(func(err error) bool { return ctx.Err() == nil && retryable(err, attempt) }),
		// Full jitter, so that clients who failed together do not come back together
		// (Brooker, "Exponential Backoff And Jitter", AWS 2015).
		retry.Delay(p.BaseDelay),
		retry.MaxDelay(p.MaxDelay),
		retry.DelayType(retry.FullJitterBackoffDelay),
		retry.LastErrorOnly(true),
	)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return errors.Join(last, cause) // retry-go would give the second only, and the first says more
	}
	return last
}
