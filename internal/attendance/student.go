package attendance

import (
	"context"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// dateKey is the place of a student's mark in their list: there is one a day.
type dateKey struct{ Date openapi_types.Date }

// ListStudentAttendance lists the marks of a student, the latest first, and counts them.
func (h *Handler) ListStudentAttendance(ctx context.Context, request api.ListStudentAttendanceRequestObject) (api.ListStudentAttendanceResponseObject, error) {
	p := request.Params
	if p.From != nil && p.To != nil {
		if err := apperr.InvalidFields(rangeFaults(*p.From, *p.To, anyDays)); err != nil {
			return nil, err
		}
	}
	var counts gendb.CountStudentAttendanceRow
	data, info, err := page.List[dateKey, gendb.ListStudentAttendanceRow, api.StudentAttendance]{
		Name:       "student-attendance",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{request.StudentId, p.From, p.To},
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.StudentExists(ctx, request.StudentId)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[dateKey]) ([]gendb.ListStudentAttendanceRow, error) {
			return markRows(ctx, q, r, request)
		},
		Count: func(ctx context.Context, q *db.Queries) (_ int64, err error) {
			counts, err = q.CountStudentAttendance(ctx, gendb.CountStudentAttendanceParams{StudentID: request.StudentId, FromDate: p.From, ToDate: p.To})
			return counts.Total, err
		},
		Key:  func(row gendb.ListStudentAttendanceRow) dateKey { return dateKey{row.Date} },
		View: markView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListStudentAttendance200JSONResponse{
		Counts: api.AttendanceCounts{Present: counts.Present, Absent: counts.Absent, Late: counts.Late, Excused: counts.Excused},
		Data:   data, Page: info,
	}, nil
}

// anyDays is longer than any range of dates.
const anyDays = 4_000_000

func markRows(ctx context.Context, q *db.Queries, r page.Request[dateKey], request api.ListStudentAttendanceRequestObject) ([]gendb.ListStudentAttendanceRow, error) {
	params := gendb.ListStudentAttendanceParams{
		StudentID: request.StudentId, FromDate: request.Params.From, ToDate: request.Params.To, RowLimit: r.RowLimit(), RowOffset: r.RowOffset(),
	}
	if r.After != nil {
		params.AfterDate = &r.After.Date
	}
	return q.ListStudentAttendance(ctx, params)
}

func markView(row gendb.ListStudentAttendanceRow) api.StudentAttendance {
	return api.StudentAttendance{
		Date: row.Date, SectionId: row.SectionID, Status: api.AttendanceStatus(row.Status), Note: row.Note,
		MarkedBy: row.MarkedBy, MarkedAt: row.MarkedAt, Corrections: corrections(&row.Version),
	}
}
