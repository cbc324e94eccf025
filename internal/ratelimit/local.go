package ratelimit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// local keeps the buckets of this process.
type local struct {
	mu      sync.Mutex
	buckets *simplelru.LRU[string, *rate.Limiter]
}

func newLocal(size int) *local {
	buckets, err := simplelru.NewLRU[string, *rate.Limiter](size, nil)
	if err != nil {
		panic(err) // a size below one, which New has refused
	}
	return &local{buckets: buckets}
}

func (l *local) take(key string, limit Limit) Decision {
	b, now := l.bucket(key, limit), time.Now()
	allowed := b.AllowN(now, 1)
	tokens := max(0, b.TokensAt(now)) // others may have taken one since
	d := Decision{Allowed: allowed, Limit: limit, Remaining: int(tokens), Reset: limit.timeFor(float64(limit.Requests) - tokens)}
	if !allowed {
		d.RetryAfter = max(limit.timeFor(1-tokens), time.Millisecond)
	}
	return d
}

func (l *local) bucket(key string, limit Limit) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets.Get(key); ok {
		return b
	}
	b := rate.NewLimiter(rate.Every(limit.interval()), limit.Requests)
	l.buckets.Add(key, b)
	return b
}

// timeFor is the time in which the bucket gains so many requests.
func (l Limit) timeFor(requests float64) time.Duration {
	return time.Duration(requests * float64(l.interval()))
}
