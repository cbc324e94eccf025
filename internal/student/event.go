package student

import (
	"context"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/outbox"
)

// eventData is what an event says besides its type.
type eventData struct {
	StudentID uuid.UUID `json:"studentId"`
}

// emit says what has happened to students.
func emit(ctx context.Context, q *db.Queries, what api.EventType, students ...uuid.UUID) error {
	events := make([]outbox.Event, len(students))
	for i, id := range students {
		events[i] = outbox.Event{Type: what, Subject: id, Data: eventData{id}}
	}
	return outbox.Emit(ctx, q, events...)
}
