package attendance

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// correctionKey is the place of a correction in its list.
type correctionKey struct {
	CorrectedAt time.Time
	StudentID   uuid.UUID
	Version     int32
}

// ListCorrections lists what was changed in a register, the latest first.
func (h *Handler) ListCorrections(ctx context.Context, request api.ListCorrectionsRequestObject) (api.ListCorrectionsResponseObject, error) {
	p := request.Params
	data, info, err := page.List[correctionKey, gendb.ListCorrectionsRow, api.Correction]{
		Name:       "corrections",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{request.SectionId, request.Date},
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.GetRegister(ctx, request.Date, request.SectionId)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[correctionKey]) ([]gendb.ListCorrectionsRow, error) {
			return correctionRows(ctx, q, r, request)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountCorrections(ctx, gendb.CountCorrectionsParams{SectionID: request.SectionId, Date: request.Date, Most: page.CountLimit()})
		},
		Key: func(row gendb.ListCorrectionsRow) correctionKey {
			return correctionKey{row.CorrectedAt, row.StudentID, row.Version}
		},
		View: correctionView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListCorrections200JSONResponse{Data: data, Page: info}, nil
}

func correctionRows(ctx context.Context, q *db.Queries, r page.Request[correctionKey], request api.ListCorrectionsRequestObject) ([]gendb.ListCorrectionsRow, error) {
	params := gendb.ListCorrectionsParams{SectionID: request.SectionId, Date: request.Date, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterCorrectedAt, params.AfterStudentID, params.AfterVersion = &r.After.CorrectedAt, &r.After.StudentID, &r.After.Version
	}
	return q.ListCorrections(ctx, params)
}

func correctionView(row gendb.ListCorrectionsRow) api.Correction {
	return api.Correction{
		StudentId: row.StudentID, FirstName: row.FirstName, LastName: row.LastName,
		Before: api.Mark{Status: api.AttendanceStatus(row.Status), Note: row.Note}, MarkedBy: row.MarkedBy, MarkedAt: row.MarkedAt,
		After:       api.Mark{Status: api.AttendanceStatus(row.NewStatus), Note: row.NewNote},
		CorrectedBy: api.Corrector{UserId: row.CorrectedBy, FirstName: row.CorrectorFirstName, LastName: row.CorrectorLastName},
		CorrectedAt: row.CorrectedAt,
	}
}
