package server

import (
	"context"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// withActor is ctx with who calls the operation, for the audit trail. The zero principal is nobody yet.
func withActor(ctx context.Context, r *request, op *contract.Operation, p auth.Principal) context.Context {
	kind := db.ActorUser
	if op.Public {
		kind = db.ActorAnonymous
	}
	return db.WithActor(ctx, db.Actor{
		Kind: kind, Action: op.ID, User: p.User, Session: p.Session, Address: r.address, Request: r.id,
	})
}
