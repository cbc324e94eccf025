// Package ratelimit decides whether a caller may make one more request.
//
// Each caller and kind of request has a bucket, named by a key. It holds a number of requests and fills evenly, so the
// limit has no edges in time (GCRA, the generic cell rate algorithm, which is the token bucket seen from the other side).
// The files: local.go keeps the buckets in this process, shared.go in Redis for several instances. When Redis fails or is
// slow, a circuit breaker opens, the local buckets take over (so each instance allows the limit by itself), the gauge
// rollcall_ratelimit_fallback is 1, and the log says so; it goes back by itself.
//
// Who the caller is, and which kind of request this is, is decided in internal/server.
package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// Limit is the size of a bucket: so many requests at once, and as many again in each period.
type Limit struct {
	Requests int
	Per      time.Duration
}

// interval is the time in which the bucket gains one request.
func (l Limit) interval() time.Duration { return l.Per / time.Duration(l.Requests) }

// Decision is what is said of one request.
type Decision struct {
	Allowed    bool
	Limit      Limit         // as applied, that is, scaled
	Remaining  int           // requests that could follow at once
	RetryAfter time.Duration // until one request may follow; 0 when Allowed
	Reset      time.Duration // until the bucket is full again
}

// Config says how requests are limited.
type Config struct {
	// Scale multiplies the requests of every limit: above 1 for a closed network or a test. 0 is 1.
	Scale float64
	// RedisURL leads to the Redis that instances share (redis:// or rediss://). Empty: each process counts for itself.
	RedisURL string
	// Patience is how long a request waits for Redis before it is limited locally. 0 is 50 ms: an answer takes less than
	// one, and a limit is not worth more.
	Patience time.Duration
	// Buckets bounds the callers that this process remembers (about 200 bytes each); the ones seen least lately are
	// forgotten first, which is as if their bucket were full. 0 is 65,536.
	Buckets int
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: no metrics
	// Resilience counts tries at Redis and shows its breaker; nil: nothing.
	Resilience *resilience.Metrics
}

// Limiter decides. It is safe for concurrent use; Close it at the end.
type Limiter struct {
	scale   float64
	local   *local
	shared  *shared                     // nil without Redis
	refused *lru.Cache[string, refusal] // until when a key is refused in any case
}

type refusal struct{ until, full time.Time }

// New makes a limiter. It does not wait for Redis, which may come later.
func New(c Config) (*Limiter, error) {
	c = c.withDefaults()
	refused, err := lru.New[string, refusal](c.Buckets)
	if err != nil {
		return nil, fmt.Errorf("remember refusals: %w", err)
	}
	onFallback, err := newFallback(c.Log, c.Metrics)
	if err != nil {
		return nil, err
	}
	l := &Limiter{scale: c.Scale, local: newLocal(c.Buckets), refused: refused}
	if c.RedisURL == "" {
		return l, nil
	}
	l.shared, err = newShared(c, onFallback)
	return l, err
}

func (c Config) withDefaults() Config {
	if c.Scale == 0 {
		c.Scale = 1
	}
	if c.Patience == 0 {
		c.Patience = 50 * time.Millisecond
	}
	if c.Buckets == 0 {
		c.Buckets = 1 << 16
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Close ends the connections to Redis.
func (l *Limiter) Close() error {
	if l.shared == nil {
		return nil
	}
	return l.shared.client.Close()
}

// Health is what is known of Redis.
type Health struct {
	Up      bool
	Breaker string // closed, half-open or open
}

// Health asks Redis for a sign of life; shared is false when there is none to ask.
func (l *Limiter) Health(ctx context.Context) (h Health, shared bool) {
	if l.shared == nil {
		return Health{}, false
	}
	return l.shared.health(ctx), true
}

// Take takes one request from a bucket, if there is one. It always decides: when Redis does not answer, after
// Config.Patience.
func (l *Limiter) Take(ctx context.Context, key string, limit Limit) Decision {
	limit = l.scaled(limit)
	if d, ok := l.recall(key, limit); ok {
		return d
	}
	d := l.ask(ctx, key, limit)
	if !d.Allowed {
		now := time.Now()
		l.refused.Add(key, refusal{until: now.Add(d.RetryAfter), full: now.Add(d.Reset)})
	}
	return d
}

// Refused says whether a bucket is known to be empty, and takes nothing. It asks only this process's memory of what Take
// has refused, so it is quick and may miss what another instance knows.
func (l *Limiter) Refused(key string, limit Limit) (Decision, bool) {
	return l.recall(key, l.scaled(limit))
}

// recall spares the bucket's keeper all who come back too early: nothing can make a bucket fill faster.
func (l *Limiter) recall(key string, limit Limit) (Decision, bool) {
	r, found := l.refused.Get(key)
	wait := time.Until(r.until)
	if !found || wait <= 0 {
		return Decision{}, false
	}
	return Decision{Limit: limit, RetryAfter: wait, Reset: max(wait, time.Until(r.full))}, true
}

func (l *Limiter) ask(ctx context.Context, key string, limit Limit) Decision {
	if l.shared != nil {
		if d, err := l.shared.take(ctx, key, limit); err == nil {
			return d
		}
	}
	return l.local.take(key, limit)
}

func (l *Limiter) scaled(limit Limit) Limit {
	limit.Requests = max(1, int(math.Round(float64(limit.Requests)*l.scale)))
	return limit
}
