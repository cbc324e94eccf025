package server

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// withActor is ctx with who calls the operation, for the audit trail. The zero principal is nobody yet.
func withActor(ctx context.Context, c echo.Context, op *contract.Operation, p auth.Principal) context.Context {
	kind := db.ActorUser
	if op.Public {
		kind = db.ActorAnonymous
	}
	return db.WithActor(ctx, db.Actor{
		Kind: kind, Action: op.ID, User: p.User, Session: p.Session, Address: c.RealIP(), Request: requestIDOf(c),
	})
}
