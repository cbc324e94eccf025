package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// shared keeps the buckets in Redis. One script reads, decides and writes, by Redis' own clock: instances neither race
// nor need the same time.
type shared struct {
	client   *redis.Client
	limiter  *redis_rate.Limiter
	retry    resilience.Policy
	breaker  *resilience.Breaker
	patience time.Duration
}

// errRedisURL does not say what was given, which may hold a password.
var errRedisURL = errors.New("REDIS_URL: want redis://user:password@host:port/number, or rediss:// for TLS")

// The client would write to standard error about every connection it cannot make; the breaker tells it once.
var silenceClient = sync.OnceFunc(logging.Disable)

func newShared(c Config, onFallback func(bool)) (*shared, error) {
	silenceClient()
	options, err := redis.ParseURL(c.RedisURL)
	if err != nil {
		return nil, errRedisURL
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = c.Patience, c.Patience, c.Patience, c.Patience
	options.ContextTimeoutEnabled = true
	options.MaxRetries, options.DialerRetries = -1, 1 // resilience.Redis tries again
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	client := redis.NewClient(options)
	retry := resilience.Redis
	retry.Metrics = c.Resilience
	return &shared{
		client: client, limiter: redis_rate.NewLimiter(client), patience: c.Patience, retry: retry,
		breaker: resilience.NewBreaker(resilience.RedisBreaker, resilience.BreakerConfig{OnChange: onFallback, Metrics: c.Resilience}),
	}, nil
}

func (s *shared) take(ctx context.Context, key string, limit Limit) (Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience) // all tries together
	defer cancel()
	var result *redis_rate.Result
	err := s.breaker.Do(func() error {
		return s.retry.Do(ctx, func(ctx context.Context, _ uint) (err error) {
			result, err = s.limiter.Allow(ctx, "rollcall:"+key, redis_rate.Limit{Rate: limit.Requests, Burst: limit.Requests, Period: limit.Per})
			return err
		})
	})
	if err != nil {
		return Decision{}, fmt.Errorf("ask Redis: %w", err)
	}
	return Decision{
		Allowed: result.Allowed > 0, Limit: limit, Remaining: limit.remaining(result.ResetAfter),
		RetryAfter: max(0, result.RetryAfter), Reset: result.ResetAfter,
	}, nil
}

// health asks Redis whether it answers, past the breaker.
func (s *shared) health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return Health{Up: s.client.Ping(ctx).Err() == nil, Breaker: s.breaker.State()}
}

// remaining is what a bucket holds that is full again after reset. The script's own figure is cut off, not rounded, and so
// often one too low: 0.1 s is no binary fraction.
func (l Limit) remaining(reset time.Duration) int {
	const rounding = 0.001
	return max(0, int(float64(l.Requests)-float64(reset)/float64(l.interval())+rounding))
}

// newFallback tells the operator when the local buckets take over and when Redis is back.
func newFallback(log *slog.Logger, metrics prometheus.Registerer) (onChange func(bool), err error) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_ratelimit_fallback",
		Help: "1 while Redis fails and this instance limits requests by its own count, otherwise 0.",
	})
	if metrics != nil {
		if err := metrics.Register(gauge); err != nil {
			return nil, fmt.Errorf("register the metric: %w", err)
		}
	}
	return func(fallback bool) {
		if fallback {
			gauge.Set(1)
			log.Warn("Redis does not answer; this instance limits requests by its own count")
			return
		}
		gauge.Set(0)
		log.Info("Redis answers again; requests are limited by the shared count")
	}, nil
}
