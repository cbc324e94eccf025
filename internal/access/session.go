package access

import (
	"context"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// ListUserSessions lists the live sessions of a user.
func (h *Handler) ListUserSessions(ctx context.Context, request api.ListUserSessionsRequestObject) (api.ListUserSessionsResponseObject, error) {
	err := h.DB.InTx(ctx, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
		_, err := q.GetUser(ctx, request.UserId)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := request.Params
	data, info, err := h.Sessions.SessionsOf(ctx, request.UserId, page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor})
	if err != nil {
		return nil, err
	}
	return api.ListUserSessions200JSONResponse{Data: data, Page: info}, nil
}

// RevokeUserSession ends a session of a user.
func (h *Handler) RevokeUserSession(ctx context.Context, request api.RevokeUserSessionRequestObject) (api.RevokeUserSessionResponseObject, error) {
	if err := h.Sessions.EndSessionOf(ctx, request.UserId, request.SessionId); err != nil {
		return nil, err
	}
	return api.RevokeUserSession204Response{}, nil
}
