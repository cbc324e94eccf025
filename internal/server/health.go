package server

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/singleflight"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
)

// health tells whether requests can be served, and what of the dependencies.
type health struct {
	db        *db.DB
	limiter   *ratelimit.Limiter
	lifecycle *Lifecycle
	// asking is shared by all who ask at the same time: however many there are, a dependency is asked once.
	asking *singleflight.Group
}

// readiness is the answer of /readyz.
type readiness struct {
	Status       string                `json:"status"` // ready, degraded, unready, starting or draining
	Dependencies map[string]dependency `json:"dependencies"`
}

// dependency is one of them. The breaker is closed (it is called), open (it is left alone) or half-open (it is tried).
type dependency struct {
	Status  string `json:"status"` // up or down
	Breaker string `json:"breaker"`
}

// readyTimeout bounds asking all dependencies.
const readyTimeout = 2 * time.Second

// ready is 200 while the database answers and the instance neither starts nor drains. Without the others the service is
// degraded: the replica's reads are served by the primary, and limits are counted by each instance.
func (h health) ready(c echo.Context) error {
	// Not the request's context: who asks at the same time waits for the same answer.
	result := <-h.asking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), readyTimeout)
		defer cancel()
		return h.ask(ctx), nil
	})
	answer, _ := result.Val.(readiness)
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	if answer.Status == "ready" || answer.Status == "degraded" {
		return c.JSON(http.StatusOK, answer)
	}
	c.Response().Header().Set(echo.HeaderRetryAfter, "1")
	return c.JSON(http.StatusServiceUnavailable, answer)
}

func (h health) ask(ctx context.Context) readiness {
	answer := readiness{Status: "ready", Dependencies: map[string]dependency{}}
	if replica, there := h.db.ReplicaHealth(ctx); there {
		answer.add("replica", replica.Up, replica.Breaker, "degraded")
	}
	if redis, shared := h.limiter.Health(ctx); shared {
		answer.add("redis", redis.Up, redis.Breaker, "degraded")
	}
	database := h.db.Health(ctx)
	answer.add("database", database.Up, database.Breaker, "unready")
	switch h.lifecycle.stage.Load() {
	case starting:
		answer.Status = "starting"
	case draining:
		answer.Status = "draining"
	}
	return answer
}

func (r *readiness) add(name string, up bool, breaker, without string) {
	d := dependency{Status: "up", Breaker: breaker}
	if !up {
		d.Status, r.Status = "down", without
	}
	r.Dependencies[name] = d
}
