package exam

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// cardKey is the place of a report card in a list: the latest exam first.
type cardKey struct {
	EndDate openapi_types.Date
	ExamID  uuid.UUID
}

// ListStudentResults lists what was published of a student. The cards are read as they were written; nothing is computed.
func (h *Handler) ListStudentResults(ctx context.Context, request api.ListStudentResultsRequestObject) (api.ListStudentResultsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[cardKey, readCard, api.ReportCard]{
		Name:       "student-results",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{request.StudentId, filters},
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.StudentExists(ctx, request.StudentId)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[cardKey]) ([]readCard, error) {
			return cardRows(ctx, q, r, request)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountReportCards(ctx, gendb.CountReportCardsParams{
				StudentID: request.StudentId, AcademicYearID: p.AcademicYearId, ExamID: p.ExamId, Version: p.Version, Most: page.CountLimit(),
			})
		},
		Key:  func(row readCard) cardKey { return cardKey{row.EndDate, row.ExamID} },
		View: cardView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListStudentResults200JSONResponse{Data: data, Page: info}, nil
}

// readCard is a report card with its JSON read.
type readCard struct {
	gendb.ReportCard

	subjects   []api.SubjectResult
	attendance *api.CardAttendance // nil without a marked day
}

func cardRows(ctx context.Context, q *db.Queries, r page.Request[cardKey], request api.ListStudentResultsRequestObject) ([]readCard, error) {
	p := request.Params
	arg := gendb.ListReportCardsParams{
		StudentID: request.StudentId, AcademicYearID: p.AcademicYearId, ExamID: p.ExamId, Version: p.Version,
		RowLimit: r.RowLimit(), RowOffset: r.RowOffset(),
	}
	if r.After != nil {
		arg.AfterEndDate, arg.AfterID = &r.After.EndDate, &r.After.ExamID
	}
	rows, err := q.ListReportCards(ctx, arg)
	if err != nil {
		return nil, err
	}
	cards := make([]readCard, len(rows))
	for i, row := range rows {
		if cards[i], err = parse(row); err != nil {
			return nil, fmt.Errorf("read a report card: %w", err)
		}
	}
	return cards, nil
}

func parse(row gendb.ReportCard) (readCard, error) {
	c := readCard{ReportCard: row}
	if err := json.Unmarshal(row.Subjects, &c.subjects); err != nil {
		return c, err
	}
	if row.Attendance == nil {
		return c, nil
	}
	return c, json.Unmarshal(row.Attendance, &c.attendance)
}

func cardView(c readCard) api.ReportCard {
	return api.ReportCard{
		ExamId: c.ExamID, ExamName: c.ExamName, AcademicYearId: c.AcademicYearID, ClassId: c.ClassID, SectionId: c.SectionID,
		StartDate: c.StartDate, EndDate: c.EndDate, Version: c.Version, PublishedAt: c.PublishedAt, Subjects: c.subjects,
		Absences: c.Absences, TotalMarks: c.TotalMarks, TotalMaxMarks: c.TotalMaxMarks, Percentage: c.Percentage, Grade: c.Grade,
		Points: c.Points, Rank: c.Rank, Attendance: c.attendance,
	}
}
