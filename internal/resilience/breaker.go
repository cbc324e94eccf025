package resilience

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// BreakerPolicy says when something that fails is left alone, and for how long.
type BreakerPolicy struct {
	Dependency string        // what is called, as a metric's label
	Failures   uint32        // so many in a row open the breaker
	Rest       time.Duration // it stays open so long, and is half-open then
	Probes     uint32        // half-open, so many calls at once may try: as many successes in a row close it, one failure opens it again
}

// BreakerConfig is what a breaker works with besides its policy.
type BreakerConfig struct {
	// Failed tells a failure of the dependency from an answer. nil: every error is a failure. That the caller went away is
	// neither, whatever Failed says.
	Failed func(err error) bool
	// OnChange hears when calls stop (true) and when they go on (false). It must not use the breaker.
	OnChange func(open bool)
	Metrics  *Metrics // nil counts nothing
}

// Breaker keeps calls away from what keeps failing, so that nobody waits for it. It is safe for concurrent use.
type Breaker struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	policy  BreakerPolicy
	config  BreakerConfig
	// answered is when the last call ended that was no failure, in nanoseconds since 1970.
	answered atomic.Int64
}

// OpenError is a call that was not made.
type OpenError struct {
	Dependency string
	RetryAfter time.Duration // when it may be made again
}

// Error is for the log.
func (e *OpenError) Error() string { return "the breaker of the " + e.Dependency + " is open" }

// errNeither is the outcome that says nothing of the dependency.
var errNeither = errors.New("neither success nor failure")

// NewBreaker makes a closed breaker.
func NewBreaker(policy BreakerPolicy, config BreakerConfig) *Breaker {
	b := &Breaker{policy: policy, config: config}
	b.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   policy.Probes,
		Timeout:       policy.Rest,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= policy.Failures },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNeither) },
		OnStateChange: func(_ string, from, to gobreaker.State) { b.changed(from, to) },
	})
	config.Metrics.breaker(policy.Dependency, gobreaker.StateClosed)
	return b
}

func (b *Breaker) changed(from, to gobreaker.State) {
	b.config.Metrics.breaker(b.policy.Dependency, to)
	if b.config.OnChange == nil {
		return
	}
	switch {
	case from == gobreaker.StateClosed:
		b.config.OnChange(true)
	case to == gobreaker.StateClosed:
		b.config.OnChange(false)
	}
}

// Do calls work, or fails at once with an *OpenError while the breaker is open.
func (b *Breaker) Do(work func() error) error {
	done, err := b.breaker.Allow()
	if err != nil {
		return fmt.Errorf("%w: %w", &OpenError{Dependency: b.policy.Dependency, RetryAfter: b.policy.Rest}, err)
	}
	outcome := errNeither // a panic is no failure of the dependency
	defer func() { done(outcome) }()
	err = work()
	if outcome = b.outcome(err); outcome == nil {
		b.answered.Store(time.Now().UnixNano())
	}
	return err
}

// outcome is what counts of a call's error.
func (b *Breaker) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, errNeither):
		return errNeither
	case b.config.Failed == nil || b.config.Failed(err):
		return err
	}
	return nil
}

// Uncounted marks an error that says nothing of the dependency: no answer came, but not for its fault.
func Uncounted(err error) error { return errors.Join(err, errNeither) }

// Answered is when a call last ended that was no failure.
func (b *Breaker) Answered() time.Time { return time.Unix(0, b.answered.Load()) }

// State is closed, half-open or open.
func (b *Breaker) State() string { return b.breaker.State().String() }
