// Package webhook lets other systems hear of events (Standard Webhooks, standardwebhooks.com). It holds the operations of
// the tag webhook, and the deliverer.
//
//	transaction      outbox.Emit ──> outbox_events ──> webhook_deliveries, one a webhook that wants to hear of it
//	                                               └─> control.webhook_wakeups: "look into this tenant"
//	internal/jobs    every second: which tenants are awake? ──> one job each, on any instance ──> Deliverer.Run
//	Deliverer        claim what is due ──> POST, signed ──> delivered, or due again later, or given up
//
// A delivery is claimed in one transaction, sent outside of any, and noted in another; whoever claimed it and is gone has
// lost it after a while. So everything is delivered at least once, and what a rolled back transaction wrote is never there.
// Of one subject (a student) and webhook only the first pending delivery is ever due, which keeps their order. A tenant
// that is suspended sleeps, and so do its deliveries.
//
// The files: webhook.go and delivery.go are the operations, deliver.go the deliverer, target.go what it connects to,
// rules.go signatures, waits and limits.
package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Handler has the operations of the tag webhook.
type Handler struct {
	DB *db.DB
	// Box seals secrets.
	Box     *seal.Box
	Targets *Targets
}

// ListWebhooks lists all webhooks.
func (h *Handler) ListWebhooks(ctx context.Context, _ api.ListWebhooksRequestObject) (api.ListWebhooksResponseObject, error) {
	rows, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) ([]gendb.Webhook, error) {
		return q.ListWebhooks(ctx)
	})
	if err != nil {
		return nil, err
	}
	data := make([]api.Webhook, len(rows))
	for i, row := range rows {
		data[i] = webhookView(row)
	}
	return api.ListWebhooks200JSONResponse{Data: data, Page: page.Whole(len(rows), mostWebhooks)}, nil
}

// CreateWebhook creates a webhook with a fresh secret.
func (h *Handler) CreateWebhook(ctx context.Context, request api.CreateWebhookRequestObject) (api.CreateWebhookResponseObject, error) {
	body := request.Body
	if err := apperr.InvalidFields(h.Targets.faultsOf(body.Url)); err != nil {
		return nil, err
	}
	id, secret := uuid.Must(uuid.NewV7()), NewSecret()
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.Webhook, error) {
		return createWebhook(ctx, q, gendb.CreateWebhookParams{
			ID: id, Url: body.Url, Description: body.Description, Events: sorted(body.Events), IsActive: *body.IsActive,
			Secret: SealSecret(h.Box, auth.From(ctx).Tenant, id, secret),
		})
	})
	if err != nil {
		return nil, err
	}
	return api.CreateWebhook201JSONResponse{
		Body:    api.WebhookWithSecret{Webhook: webhookView(row), Secret: secret},
		Headers: api.CreateWebhook201ResponseHeaders{Location: "/v1/webhooks/" + id.String()},
	}, nil
}

func createWebhook(ctx context.Context, q *db.Queries, w gendb.CreateWebhookParams) (gendb.Webhook, error) {
	count, err := q.CountWebhooks(ctx)
	if err != nil {
		return gendb.Webhook{}, fmt.Errorf("count the webhooks: %w", err)
	}
	if count >= mostWebhooks {
		return gendb.Webhook{}, apperr.New(apperr.Conflict, fmt.Sprintf("A school group may have %d webhooks.", mostWebhooks))
	}
	return q.CreateWebhook(ctx, w)
}

// SealSecret seals a webhook's secret for its row.
func SealSecret(box *seal.Box, tenant, webhook uuid.UUID, secret string) []byte {
	return box.Seal(secret, secretPlace(tenant, webhook))
}

// Sealed are the columns of this package whose values are sealed.
var Sealed = []seal.Column{
	{Table: "webhooks", Name: "secret", Key: "id", Place: secretPlace},
	{Table: "webhooks", Name: "previous_secret", Key: "id", Place: secretPlace},
}

func secretPlace(tenant, webhook uuid.UUID) string {
	return "webhook secret " + tenant.String() + " " + webhook.String()
}

// GetWebhook gets one webhook.
func (h *Handler) GetWebhook(ctx context.Context, request api.GetWebhookRequestObject) (api.GetWebhookResponseObject, error) {
	row, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) (gendb.Webhook, error) {
		return q.GetWebhook(ctx, request.WebhookId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetWebhook200JSONResponse(webhookView(row)), nil
}

// UpdateWebhook changes what a merge patch names. One that becomes active gets what has waited.
func (h *Handler) UpdateWebhook(ctx context.Context, request api.UpdateWebhookRequestObject) (api.UpdateWebhookResponseObject, error) {
	patch := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.Webhook, error) {
		row, err := q.LockWebhook(ctx, request.WebhookId)
		if err != nil {
			return row, err
		}
		if patch.Url != nil {
			if err := apperr.InvalidFields(h.Targets.faultsOf(*patch.Url)); err != nil {
				return row, err
			}
		}
		return update(ctx, q, row, *patch)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateWebhook200JSONResponse(webhookView(row)), nil
}

func update(ctx context.Context, q *db.Queries, row gendb.Webhook, patch api.WebhookPatch) (gendb.Webhook, error) {
	changed := gendb.UpdateWebhookParams{ID: row.ID, Url: row.Url, Description: row.Description, Events: row.Events, IsActive: row.IsActive}
	if patch.Url != nil {
		changed.Url = *patch.Url
	}
	if patch.Events != nil {
		changed.Events = sorted(*patch.Events)
	}
	if patch.IsActive != nil {
		changed.IsActive = *patch.IsActive
	}
	if patch.Description.IsSpecified() {
		changed.Description = nil
		if text, err := patch.Description.Get(); err == nil {
			changed.Description = &text
		}
	}
	if changed.IsActive {
		if err := q.WakeWebhooks(ctx); err != nil {
			return row, fmt.Errorf("wake the deliverer: %w", err)
		}
	}
	return q.UpdateWebhook(ctx, changed)
}

// DeleteWebhook deletes a webhook with its deliveries.
func (h *Handler) DeleteWebhook(ctx context.Context, request api.DeleteWebhookRequestObject) (api.DeleteWebhookResponseObject, error) {
	err := h.DB.InTx(ctx, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		deleted, err := q.DeleteWebhook(ctx, request.WebhookId)
		if err == nil && deleted == 0 {
			return apperr.New(apperr.NotFound, "")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteWebhook204Response{}, nil
}

// RotateWebhookSecret gives a webhook a new secret. The one before is used too for a day.
func (h *Handler) RotateWebhookSecret(ctx context.Context, request api.RotateWebhookSecretRequestObject) (api.RotateWebhookSecretResponseObject, error) {
	secret := NewSecret()
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.Webhook, error) {
		return q.RotateWebhookSecret(ctx, gendb.RotateWebhookSecretParams{
			ID: request.WebhookId, OverlapSeconds: secretOverlap.Seconds(),
			Secret: SealSecret(h.Box, auth.From(ctx).Tenant, request.WebhookId, secret),
		})
	})
	if err != nil {
		return nil, err
	}
	return api.RotateWebhookSecret200JSONResponse{Webhook: webhookView(row), Secret: secret}, nil
}

func sorted(events []api.EventType) []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = string(e)
	}
	slices.Sort(names)
	return names
}

func webhookView(row gendb.Webhook) api.Webhook {
	events := make([]api.EventType, len(row.Events))
	for i, e := range row.Events {
		events[i] = api.EventType(e)
	}
	view := api.Webhook{
		Id: row.ID, Url: row.Url, Description: row.Description, Events: events, IsActive: row.IsActive,
		DisabledReason: (*api.WebhookDisabledReason)(row.DisabledReason), FailingSince: row.FailingSince,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
	if expires := row.PreviousSecretExpiresAt; expires != nil && expires.After(time.Now()) {
		view.PreviousSecretExpiresAt = expires
	}
	return view
}
