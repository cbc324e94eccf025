package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// deliveryKey is the place of a delivery in the list.
type deliveryKey struct {
	Position int64     `json:"p"`
	ID       uuid.UUID `json:"id"`
}

// ListWebhookDeliveries lists what was and will be sent to a webhook.
func (h *Handler) ListWebhookDeliveries(ctx context.Context, request api.ListWebhookDeliveriesRequestObject) (api.ListWebhookDeliveriesResponseObject, error) {
	p, webhook := request.Params, request.WebhookId
	status := (*string)(p.Status)
	data, info, err := page.List[deliveryKey, gendb.ListDeliveriesRow, api.WebhookDelivery]{
		Name:       "webhook-deliveries",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{webhook, status},
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.GetWebhook(ctx, webhook)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[deliveryKey]) ([]gendb.ListDeliveriesRow, error) {
			arg := gendb.ListDeliveriesParams{WebhookID: webhook, Status: status, RowLimit: wanted.RowLimit(), RowOffset: wanted.RowOffset()}
			if wanted.After != nil {
				arg.AfterID, arg.AfterPosition = &wanted.After.ID, &wanted.After.Position
			}
			return q.ListDeliveries(ctx, arg)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountDeliveries(ctx, gendb.CountDeliveriesParams{WebhookID: webhook, Status: status, Most: page.CountLimit()})
		},
		Key:  func(d gendb.ListDeliveriesRow) deliveryKey { return deliveryKey{d.Position, d.ID} },
		View: func(d gendb.ListDeliveriesRow) api.WebhookDelivery { return deliveryView(gendb.GetDeliveryRow(d)) },
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListWebhookDeliveries200JSONResponse{Data: data, Page: info}, nil
}

// pingType is the type of the event that says nothing.
const pingType = "webhook.ping"

// TestWebhook sends an event that says nothing.
func (h *Handler) TestWebhook(ctx context.Context, request api.TestWebhookRequestObject) (api.TestWebhookResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.TestWebhookResponseObject.VisitTestWebhookResponse,
		func(ctx context.Context, q *db.Queries) (api.TestWebhookResponseObject, error) {
			delivery, err := ping(ctx, q, request.WebhookId)
			if err != nil {
				return nil, err
			}
			return api.TestWebhook202JSONResponse(deliveryView(delivery)), nil
		})
}

func ping(ctx context.Context, q *db.Queries, webhook uuid.UUID) (gendb.GetDeliveryRow, error) {
	if _, err := q.LockWebhook(ctx, webhook); err != nil {
		return gendb.GetDeliveryRow{}, err
	}
	event, err := q.CreateEvent(ctx, gendb.CreateEventParams{
		ID: uuid.Must(uuid.NewV7()), Type: pingType, SubjectID: webhook, Data: json.RawMessage(`{"webhookId":"` + webhook.String() + `"}`),
	})
	if err != nil {
		return gendb.GetDeliveryRow{}, fmt.Errorf("create the event: %w", err)
	}
	id := uuid.Must(uuid.NewV7())
	if err := q.CreateDelivery(ctx, gendb.CreateDeliveryParams{
		ID: id, WebhookID: webhook, EventID: event.ID, SubjectID: webhook, Position: event.Position,
	}); err != nil {
		return gendb.GetDeliveryRow{}, fmt.Errorf("create the delivery: %w", err)
	}
	return woken(ctx, q, webhook, id)
}

// woken is a delivery that the deliverer hears of.
func woken(ctx context.Context, q *db.Queries, webhook, id uuid.UUID) (gendb.GetDeliveryRow, error) {
	if err := q.WakeWebhooks(ctx); err != nil {
		return gendb.GetDeliveryRow{}, fmt.Errorf("wake the deliverer: %w", err)
	}
	return q.GetDelivery(ctx, webhook, id)
}

// ReplayWebhookDelivery sends an event once more.
func (h *Handler) ReplayWebhookDelivery(ctx context.Context, request api.ReplayWebhookDeliveryRequestObject) (api.ReplayWebhookDeliveryResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.ReplayWebhookDeliveryResponseObject.VisitReplayWebhookDeliveryResponse,
		func(ctx context.Context, q *db.Queries) (api.ReplayWebhookDeliveryResponseObject, error) {
			found, err := q.ReplayDelivery(ctx, request.WebhookId, request.WebhookDeliveryId)
			if err != nil {
				return nil, fmt.Errorf("replay: %w", err)
			}
			if found == 0 {
				return nil, apperr.New(apperr.NotFound, "")
			}
			delivery, err := woken(ctx, q, request.WebhookId, request.WebhookDeliveryId)
			if err != nil {
				return nil, err
			}
			return api.ReplayWebhookDelivery202JSONResponse(deliveryView(delivery)), nil
		})
}

// The statuses of deliveries.
const (
	statusPending   = string(api.WebhookDeliveryStatusPending)
	statusDelivered = string(api.WebhookDeliveryStatusDelivered)
	statusFailed    = string(api.WebhookDeliveryStatusFailed)
)

func deliveryView(row gendb.GetDeliveryRow) api.WebhookDelivery {
	view := api.WebhookDelivery{
		Id: row.ID, WebhookId: row.WebhookID, EventId: row.EventID, EventType: row.Type, SubjectId: row.SubjectID,
		Status: api.WebhookDeliveryStatus(row.Status), Attempts: int(row.Attempts), AttemptedAt: row.AttemptedAt,
		DeliveredAt: row.DeliveredAt, Error: (*api.WebhookDeliveryError)(row.Error), CreatedAt: row.CreatedAt,
	}
	if row.StatusCode != nil {
		view.StatusCode = new(int(*row.StatusCode))
	}
	if row.Status == statusPending {
		view.NextAttemptAt = &row.NextAttemptAt
	}
	return view
}

// message is the body of a delivery (Standard Webhooks, "Payload structure").
type message struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"` // when it happened
	Data      json.RawMessage `json:"data"`
}
