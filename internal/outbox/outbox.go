// Package outbox writes domain events: what has happened to whom, in the transaction in which it happens, so that there is
// no event of what was rolled back, and nothing happens without its event. internal/webhook delivers them.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Event says that something has happened to a subject. Events of one subject are delivered in the order in which they are
// emitted, if their transactions lock it first.
type Event struct {
	Type    api.EventType
	Subject uuid.UUID
	// Data says where to read on: ids and dates, as a JSON object. Nothing personal: it leaves the house.
	Data any
}

// record is an event as emit_events wants it (schema/tenant/00016_webhooks.sql).
type record struct {
	ID      uuid.UUID     `json:"id"`
	Type    api.EventType `json:"type"`
	Subject uuid.UUID     `json:"subject"`
	Data    any           `json:"data"`
}

// Emit writes events with the transaction of q. It asks for no permission on who hears of them.
func Emit(ctx context.Context, q *db.Queries, events ...Event) error {
	records := make([]record, len(events))
	for i, e := range events {
		records[i] = record{ID: uuid.Must(uuid.NewV7()), Type: e.Type, Subject: e.Subject, Data: e.Data}
	}
	raw, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	if err := q.EmitEvents(ctx, raw); err != nil {
		return fmt.Errorf("emit events: %w", err)
	}
	return nil
}
