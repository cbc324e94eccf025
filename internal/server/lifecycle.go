package server

import (
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// Lifecycle is how far an instance is between start and end: it says so in /readyz, does not call handlers before it has
// started, and while it drains asks clients to take another connection. It is safe for concurrent use.
type Lifecycle struct{ stage atomic.Int32 }

const (
	starting = iota
	serving
	draining
)

// NewLifecycle is that of an instance which starts: it answers, and refuses every operation until Serve.
func NewLifecycle() *Lifecycle { return &Lifecycle{} }

// Serve says that all that requests need was there.
func (l *Lifecycle) Serve() { l.stage.CompareAndSwap(starting, serving) }

// Drain says that the instance is about to end.
func (l *Lifecycle) Drain() { l.stage.Store(draining) }

// closing lets clients who keep their connection go elsewhere: one that is closed while they send would lose a request.
func (l *Lifecycle) closing(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if l.stage.Load() == draining {
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		return next(c)
	}
}

// started refuses operations until there is what they need.
func (l *Lifecycle) started(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if l.stage.Load() == starting {
			e := apperr.New(apperr.Unavailable, "The service is starting.")
			e.RetryAfter = time.Second
			return e
		}
		return next(c)
	}
}
