// Package audit is the trail of who wrote what, and the chain that shows whether somebody has changed it since. It holds the
// operations of the tag audit.
//
// Nobody writes into the trail by hand: triggers do, for every row of every table, in the transaction that changes it
// (schema/tenant/00009_audit.sql), and who it is comes from the context of the transaction (db.Actor). A periodic task
// (internal/jobs) gives events their places in the chain. What is here reads: handler.go lists, verify.go goes along the chain,
// and rules.go says what a place must look like, written a second time, apart from the SQL that made it.
package audit

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// Handler has the operations of the tag audit.
type Handler struct {
	DB *db.DB
}

// ListAuditEvents lists events, the latest first.
func (h *Handler) ListAuditEvents(ctx context.Context, request api.ListAuditEventsRequestObject) (api.ListAuditEventsResponseObject, error) {
	p := request.Params
	if p.From != nil && p.To != nil && !p.From.Before(*p.To) {
		return nil, apperr.WithFields(apperr.Invalid, apperr.Field{In: apperr.Query, Field: "to", Code: "order", Message: "Must be later than from"})
	}
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	filter := gendb.CountAuditEventsParams{
		FromID: firstID(p.From), ToID: firstID(p.To), ActorID: p.ActorId, Action: p.Action,
		ResourceType: p.ResourceType, ResourceID: p.ResourceId, Most: page.CountLimit(),
	}
	data, info, err := page.List[uuid.UUID, gendb.ListAuditEventsRow, api.AuditEvent]{
		Name:       "audit-events",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[uuid.UUID]) ([]gendb.ListAuditEventsRow, error) {
			return q.ListAuditEvents(ctx, gendb.ListAuditEventsParams{
				FromID: filter.FromID, ToID: filter.ToID, ActorID: filter.ActorID, Action: filter.Action,
				ResourceType: filter.ResourceType, ResourceID: filter.ResourceID,
				AfterID: wanted.After, RowLimit: wanted.RowLimit(), RowOffset: wanted.RowOffset(),
			})
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) { return q.CountAuditEvents(ctx, filter) },
		Key:   func(row gendb.ListAuditEventsRow) uuid.UUID { return row.ID },
		View:  eventView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListAuditEvents200JSONResponse{Data: data, Page: info}, nil
}

// firstID is the lowest id that an event of this time can have: audit_event_id() in schema/tenant/00009_audit.sql.
func firstID(t *time.Time) *uuid.UUID {
	if t == nil {
		return nil
	}
	micros := max(t.UnixMicro(), 0)
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(micros/1000)<<16|0x7000|uint64(micros%1000*4096/1000))
	return &id
}

func eventView(row gendb.ListAuditEventsRow) api.AuditEvent {
	return api.AuditEvent{
		Id: row.ID, RecordedAt: row.RecordedAt, Action: row.Action, ActorKind: api.ActorKind(row.ActorKind), ActorId: row.ActorID,
		SessionId: row.SessionID, RemoteAddress: row.RemoteAddress, RequestId: row.RequestID,
		ResourceType: row.ResourceType, ResourceId: row.ResourceID, Change: api.AuditChange(row.Change),
		Before: content(row.Before), After: content(row.After), ErasedAt: row.ErasedAt,
	}
}

func content(raw []byte) *api.AuditContent {
	if raw == nil {
		return nil
	}
	return new(json.RawMessage(raw))
}

// verifyTime is how long the operation goes along the chain.
const verifyTime = 10 * time.Second

// VerifyAuditEvents goes along the chain.
func (h *Handler) VerifyAuditEvents(ctx context.Context, request api.VerifyAuditEventsRequestObject) (api.VerifyAuditEventsResponseObject, error) {
	check, err := checkOf(*request.Body)
	if err != nil {
		return nil, err
	}
	check.Until = time.Now().Add(verifyTime)
	report, err := Verify(ctx, h.DB, auth.Scope(ctx), check)
	if err != nil {
		return nil, err
	}
	return api.VerifyAuditEvents200JSONResponse(reportView(report)), nil
}

func checkOf(in api.AuditVerificationInput) (Check, error) {
	c := Check{From: orZero(in.From), To: orZero(in.To)}
	var faults []apperr.Field
	if c.To != 0 && c.To < c.From {
		faults = append(faults, apperr.BodyField("order", "Must not be before from", "to"))
	}
	if in.Head != nil {
		hash, err := hex.DecodeString(in.Head.Hash)
		if err != nil {
			return Check{}, fmt.Errorf("read the hash: %w", err) // its pattern is checked before
		}
		c.Head = &Head{Position: in.Head.Position, Hash: hash}
		if c.Head.Position < c.From || c.To != 0 && c.Head.Position > c.To {
			faults = append(faults, apperr.BodyField("range", "Must not be outside of from and to", "head", "position"))
		}
	}
	return c, apperr.InvalidFields(faults)
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func reportView(r Report) api.AuditVerification {
	out := api.AuditVerification{IsIntact: r.Fault == nil, IsComplete: r.Complete, Checked: r.Checked, Erased: r.Erased}
	if r.Head != nil {
		out.Head = &api.AuditHead{Position: r.Head.Position, Hash: hex.EncodeToString(r.Head.Hash)}
	}
	if f := r.Fault; f != nil {
		out.Fault = &api.AuditFault{Kind: api.AuditFaultKind(f.Kind), Message: f.Message, Position: unlessZero(f.Position), EventId: unlessZero(f.EventID)}
	} else if !r.Complete {
		out.NextPosition = new(r.Next)
	}
	return out
}

func unlessZero[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
