package server

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// replayedHeader marks the answer to a repeated request.
const replayedHeader = "Idempotency-Replayed"

// repeatable gives a request that has an Idempotency-Key its place in the context, where the handler's transaction finds
// it, and sends the answer that the key has already. It stands behind the gate.
func repeatable(op *contract.Operation, box *seal.Box) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			key := r.Header.Get(contract.IdempotencyKey)
			if !op.TakesKey || key == "" {
				return next(c)
			}
			fingerprint, err := op.Fingerprint(r)
			if err != nil {
				return err
			}
			p := auth.From(r.Context())
			request := idempotency.NewRequest(box, p.Tenant, p.User, key, fingerprint)
			c.SetRequest(r.WithContext(idempotency.With(r.Context(), request)))
			err = next(c)
			replay, ok := errors.AsType[*idempotency.AnsweredError](err)
			if !ok {
				return err
			}
			c.Response().Header().Set(replayedHeader, "true")
			return replay.Answer.Send(c.Response())
		}
	}
}
