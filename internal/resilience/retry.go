package resilience

import (
	"context"
	"errors"
	"time"

	"github.com/avast/retry-go/v4"
)

// Condition says why work that failed may succeed when it is tried again, in a word that serves as a metric's label; the
// empty word says that it may not. attempt counts from 1.
type Condition func(err error, attempt uint) (reason string)

// Policy says how often, how long and how far apart work is tried.
type Policy struct {
	Dependency     string        // what is called, as a metric's label
	Attempts       uint          // tries in all, the first included; at least 1
	AttemptTimeout time.Duration // of one try; 0 leaves it to the context
	BaseDelay      time.Duration // bounds the wait before the second try; doubles with every further one
	MaxDelay       time.Duration // the longest wait of all
	Retry          Condition     // nil tries nothing again
	Metrics        *Metrics      // nil counts nothing
}

// Do runs work until it succeeds, fails for good, the attempts are used up or ctx ends. attempt counts from 1. It
// returns the last error of work, joined with that of ctx when ctx ended before the next try.
func (p Policy) Do(ctx context.Context, work func(ctx context.Context, attempt uint) error) error {
	var attempt uint
	var last error
	err := retry.Do(
		func() error {
			attempt++
			last = p.try(ctx, attempt, work)
			return last
		},
		retry.Context(ctx),
		retry.Attempts(max(p.Attempts, 1)),
		retry.RetryIf(func(err error) bool { return p.again(ctx, err, attempt) }),
		// Full jitter, so that clients who failed together do not come back together
		// (Brooker, "Exponential Backoff And Jitter", AWS 2015).
		retry.Delay(p.BaseDelay/2), // it counts from one and so doubles at once
		retry.MaxDelay(p.MaxDelay),
		retry.DelayType(retry.FullJitterBackoffDelay),
		retry.LastErrorOnly(true),
	)
	p.Metrics.tried(p.Dependency, attempt, err)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return errors.Join(last, cause) // retry-go would give the second only, and the first says more
	}
	return last
}

func (p Policy) try(ctx context.Context, attempt uint, work func(ctx context.Context, attempt uint) error) error {
	if p.AttemptTimeout <= 0 {
		return work(ctx, attempt)
	}
	ctx, cancel := context.WithTimeout(ctx, p.AttemptTimeout)
	defer cancel()
	return work(ctx, attempt)
}

func (p Policy) again(ctx context.Context, err error, attempt uint) bool {
	if p.Retry == nil || ctx.Err() != nil {
		return false
	}
	reason := p.Retry(err, attempt)
	if reason != "" && attempt < p.Attempts {
		p.Metrics.retried(p.Dependency, reason)
	}
	return reason != ""
}
